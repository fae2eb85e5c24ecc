"""The models that a server lists."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from jupyter_mop.backends.endpoint.error_messages import RefusedError
from jupyter_mop.backends.endpoint.server import Endpoint, Json
from jupyter_mop.errors import ModelError

_N_LISTED = 6


async def list_models(endpoint: Endpoint) -> list[str]:
    """Return the names of the models that the server lists; none if it has no list.

    Azure's list is of models, not of the deployments that an address names.
    """
    if endpoint.address.deployment:
        return []
    try:
        return await endpoint.get("/models", _model_names)
    except RefusedError:
        return []


async def only_model(endpoint: Endpoint) -> str:
    """Return the deployment in an Azure address, or the server's model if it lists exactly one.

    Raises
    ------
    ModelError
        The server lists no model or several.
    """
    if endpoint.address.deployment:
        return endpoint.address.deployment
    listed = await list_models(endpoint)
    if len(listed) != 1:
        raise ModelError(
            f"The server at {endpoint.name} lists {len(listed)} models, so `model` must be given.",
            hint=f"Give it: --model {listed[0] if listed else 'NAME'}. {_choice(listed)}".strip(),
        )
    return listed[0]


def no_model(endpoint: Endpoint, model: str, listed: Sequence[str]) -> ModelError:
    """Return the error for a model that is not among those listed."""
    close = difflib.get_close_matches(model, listed, 1, cutoff=0)
    return ModelError(
        f"The server at {endpoint.name} has no model {model!r}.",
        hint=f"Did you mean {close[0]!r}? {_choice(listed)}".strip(),
    )


def _choice(listed: Sequence[str]) -> str:
    more = ", ..." if len(listed) > _N_LISTED else ""
    return f"It has {', '.join(listed[:_N_LISTED])}{more}." if listed else ""


def _model_names(answer: Json) -> list[str]:
    return list(dict.fromkeys(str(model["id"]) for model in answer["data"]))
