"""A reference model in plain numpy, and servers on loopback: real, scripted, llama.cpp's."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_server import ModelServer
from scripted_server import ScriptedServer

from jupyter_mop.backends.endpoint import defaults
from jupyter_mop.backends.model_files import language_model_path
from jupyter_mop.backends.openvino.gguf import GGUF, Q4_1, Tensor, q4_1_blocks, read_gguf

F32, Q8_0 = 0, 8
LLAMA: list[Any] = []  # the server stops when its object is deleted


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for hundredths of a second before another attempt, with no key around."""
    monkeypatch.setattr(defaults, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(defaults, "MAX_WAIT", 0.02)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def _weights(file: GGUF, tensor: Tensor) -> np.ndarray:
    if tensor.kind == Q4_1:
        codes, scales, minimums = q4_1_blocks(file, tensor)
        return codes * np.repeat(scales, 32, axis=1) + np.repeat(minimums, 32, axis=1)
    count = int(np.prod(tensor.shape))
    raw = file.data[tensor.offset :]
    if tensor.kind == F32:
        return raw[: 4 * count].view("<f4").reshape(tensor.shape).copy()
    assert tensor.kind == Q8_0
    blocks = raw[: count // 32 * 34].reshape(-1, 34)
    scales = blocks[:, :2].copy().view("<f2").astype(np.float32)
    return (blocks[:, 2:].copy().view(np.int8) * scales).reshape(tensor.shape)


class ExactLlama:
    """A slow llama model in float32 with the GGUF file's own weights."""

    def __init__(self, path: Path) -> None:
        self._file = read_gguf(path)
        self._meta = {
            name.removeprefix("llama."): value for name, value in self._file.metadata.items()
        }

    @cached_property
    def _tensors(self) -> dict[str, np.ndarray]:
        file = self._file
        return {t.name.removesuffix(".weight"): _weights(file, t) for t in file.tensors}

    @cache  # noqa: B019  one model lives as long as the session
    def log_probs(self, tokens: tuple[int, ...], n_prompt: int) -> np.ndarray:
        """Return the log-probability of each token after the prompt, given its context."""
        states = self._tensors["token_embd"][list(tokens)]
        for layer in range(self._meta["block_count"]):
            states = self._layer(states, f"blk.{layer}.")
        before = states[n_prompt - 1 : -1]
        logits = self._norm(before, "output_norm") @ self._tensors["token_embd"].T
        logits -= logits.max(axis=1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return logits[np.arange(len(before)), list(tokens[n_prompt:])]

    def _layer(self, states: np.ndarray, name: str) -> np.ndarray:
        weights = self._tensors
        heads, groups = self._meta["attention.head_count"], self._meta["attention.head_count_kv"]
        n, hidden = len(states), self._norm(states, f"{name}attn_norm")
        queries = self._rotate((hidden @ weights[f"{name}attn_q"].T).reshape(n, heads, -1))
        keys = self._rotate((hidden @ weights[f"{name}attn_k"].T).reshape(n, groups, -1))
        values = (hidden @ weights[f"{name}attn_v"].T).reshape(n, groups, -1)
        keys, values = (np.repeat(array, heads // groups, axis=1) for array in (keys, values))
        scores = np.einsum("ihd,jhd->hij", queries, keys) / np.sqrt(queries.shape[-1])
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True)) * np.tri(n, dtype=np.float32)
        scores /= scores.sum(axis=-1, keepdims=True)
        mixed = np.einsum("hij,jhd->ihd", scores, values).reshape(n, -1)
        states = states + mixed @ weights[f"{name}attn_output"].T
        hidden = self._norm(states, f"{name}ffn_norm")
        gate = hidden @ weights[f"{name}ffn_gate"].T
        gated = gate / (1 + np.exp(-gate)) * (hidden @ weights[f"{name}ffn_up"].T)
        return states + gated @ weights[f"{name}ffn_down"].T

    def _norm(self, states: np.ndarray, name: str) -> np.ndarray:
        variance = (states**2).mean(axis=-1, keepdims=True)
        epsilon = self._meta["attention.layer_norm_rms_epsilon"]
        return states / np.sqrt(variance + epsilon) * self._tensors[name]

    def _rotate(self, vectors: np.ndarray) -> np.ndarray:
        size = vectors.shape[-1]
        speeds = self._meta["rope.freq_base"] ** (-np.arange(0, size, 2) / size)
        angles = (np.arange(len(vectors))[:, None] * speeds)[:, None].astype(np.float32)
        even, odd = vectors[..., 0::2], vectors[..., 1::2]
        rotated = np.empty_like(vectors)
        rotated[..., 0::2] = even * np.cos(angles) - odd * np.sin(angles)
        rotated[..., 1::2] = even * np.sin(angles) + odd * np.cos(angles)
        return rotated


@pytest.fixture(scope="session")
def exact() -> ExactLlama:
    """Give the embedded language model in exact arithmetic."""
    return ExactLlama(language_model_path())


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    """Give a server with scripted replies."""
    server = ScriptedServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def model_server() -> Iterator[ModelServer]:
    """Give a server that scores texts with the embedded model."""
    server = ModelServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def llama_url() -> str:
    """Give the address of llama.cpp's server with the embedded model's file."""
    xllamacpp = pytest.importorskip("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = str(language_model_path())
    params.model_alias = {"smollm2"}
    params.port = free_port()
    params.n_parallel, params.n_ctx = 2, 2048
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1  # more would wait
    params.embedding = True
    params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    LLAMA.append(xllamacpp.Server(params))
    return f"{LLAMA[0].listening_address}/v1"


def free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])
