"""Open a language model by name, path, address or object."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeGuard

from jupyter_mop.backends.chat_templates import ChatTemplate
from jupyter_mop.backends.openvino.backend import LocalBackend
from jupyter_mop.backends.protocols import Backend
from jupyter_mop.errors import DataError, ModelError

_ADDRESS = re.compile(r"[\w.-]+:\d{2,5}(?:/|$)|[\w-]+(?:\.[\w-]+)+/(?:\w+/)*v\d+/?$")


def load_backend(
    choice: Backend | str | Path,
    model: str | None = None,
    chat_template: str | ChatTemplate | None = None,
    **endpoint: Any,  # noqa: ANN401  the options of OpenAIBackend
) -> Backend:
    """Open a backend by "local", the path of a model or the URL of an endpoint.

    A backend object is returned as it is.

    Parameters
    ----------
    choice : Backend, str or path
        "local", the path of a GGUF file or OpenVINO folder, a URL (http or https), or a backend.
    model, chat_template, **endpoint
        Passed to `OpenAIBackend` with a URL; not used otherwise.

    Raises
    ------
    ModelError
        `choice` is none of these, or the model cannot be loaded.
    DataError
        `choice` is an address that does not begin with http or https.
    """
    if _is_backend(choice):
        return choice
    if not isinstance(choice, str | Path):
        kind = "class" if isinstance(choice, type) else type(choice).__name__
        raise ModelError(
            f"A {kind} is not a language model.",
            hint='Give "local", the path of a GGUF file or an OpenVINO model folder, the http:// '
            "address of an endpoint, or a backend object.",
        )
    if str(choice).startswith(("http:", "https:")):
        from jupyter_mop.backends.endpoint.backend import OpenAIBackend

        return OpenAIBackend(str(choice), model, chat_template=chat_template, **endpoint)

    if isinstance(choice, str) and _ADDRESS.match(choice) and not Path(choice).exists():
        raise DataError(
            f"The address {choice} has no scheme.",
            hint=f"Write http://{choice}, or https://{choice} for a server with a certificate.",
        )
    return LocalBackend(None if choice == "local" else choice)


def _is_backend(value: object) -> TypeGuard[Backend]:
    """Return whether `value` generates responses; its properties are not read, they may call."""
    return callable(getattr(value, "generate", None)) and not isinstance(value, type)
