"""Open a language model by name, path, address or object."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeGuard

from jupyter_mop.backends.chat_templates import ChatTemplate
from jupyter_mop.backends.openvino.backend import LocalBackend
from jupyter_mop.backends.protocols import Backend
from jupyter_mop.errors import ModelError


def load_backend(
    choice: Backend | str | Path,
    model: str | None = None,
    chat_template: str | ChatTemplate | None = None,
    **endpoint: Any,  # noqa: ANN401  its own
) -> Backend:
    """Return the backend that is named: itself, "local", a path to a model or an endpoint's URL."""
    if _is_backend(choice):
        return choice
    if not isinstance(choice, str | Path):
        raise ModelError(
            f"A {type(choice).__name__} is no language model.",
            hint='Give "local", a path to a GGUF file or an OpenVINO model folder, the http:// '
            "address of an endpoint, or a Backend.",
        )
    if str(choice).startswith(("http:", "https:")):
        from jupyter_mop.backends.endpoint.backend import OpenAIBackend

        return OpenAIBackend(str(choice), model, chat_template=chat_template, **endpoint)

    return LocalBackend(None if choice == "local" else choice)


def _is_backend(value: object) -> TypeGuard[Backend]:
    """Return whether `value` is a language model; an endpoint is not asked what it can do."""
    return all(callable(getattr(value, name, None)) for name in ("generate", "score"))
