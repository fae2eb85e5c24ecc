"""The most memory that a process holds in which model and encoder work."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from peak import peak_bytes
from workload import PARAMS, PERSONAS, block, reviews

from jupyter_mop.backends.model_files import language_model_path
from jupyter_mop.backends.openvino.backend import LocalBackend
from jupyter_mop.backends.openvino.encoder import MiniLMEncoder
from jupyter_mop.backends.protocols import GenerationRequest


def use_everything():
    """Fetch nothing, convert, load, score, draw and encode; print the peak memory in bytes."""
    model, frame = language_model_path(), reviews()
    encoder = MiniLMEncoder()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["JUPYTER_MOP_CACHE_DIR"] = folder
        backend = LocalBackend(model)
    backend.score([request for persona in PERSONAS[:2] for request in block(frame, persona)[:160]])
    prompts = [request.prompt for request in block(frame, PERSONAS[2])[:128]]
    backend.generate([GenerationRequest(prompt, i) for i, prompt in enumerate(prompts)], PARAMS)
    encoder.encode(list(frame.text[:256]))
    print(peak_bytes())


def peak_memory():
    command = [sys.executable, __file__]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    use_everything()
