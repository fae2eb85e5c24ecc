"""OpenVINO GenAI's continuous batching, with its prefix cache used only where it is correct.

A finished sequence leaves its last, partly filled block in the cache (its tail). If two running
sequences restore the same tail, or one restores a block that another is filling, both write into
it and the results are silently wrong (openvino-genai 2026.4). Therefore all jobs are added before
the first step, and the cache is emptied first if a job begins with a known tail.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from jupyter_mop.backends.chat_templates import plain
from jupyter_mop.backends.model_files import file_sha256
from jupyter_mop.backends.openvino.gguf import GGUF, Q4_1, convert, read_gguf
from jupyter_mop.backends.openvino.load_thread import load_on_thread
from jupyter_mop.backends.openvino.prefix_cache import BLOCK, Tokens
from jupyter_mop.backends.protocols import Prompt
from jupyter_mop.errors import ModelError, missing

_OPTIONS = {
    "INFERENCE_PRECISION_HINT": "f32",
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
    "KV_CACHE_PRECISION": "f16",
}
_MAX_BATCHED_TOKENS = 256
_MAX_IN_FLIGHT = 128
_ENCODE_CHUNK = 64
_DEFAULT_CONTEXT = 2048
_PLAIN_CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content']"
    " + '<|im_end|>\n' }}{% endfor %}{{ '<|im_start|>assistant\n' }}"
)


@dataclass(frozen=True, slots=True)
class Job:
    """Tokens to run with the engine's settings; `index` is reported with the result."""

    index: int
    tokens: Tokens
    config: Any


@dataclass(frozen=True, slots=True)
class Streamed:
    """The output of a job that was read while it ran, with the engine's names."""

    generated_ids: Tokens
    finish_reason: Any


class Pipeline:
    """A loaded model: its tokenizer, its context length, and a loop that runs jobs.

    Parameters
    ----------
    model : Path
        A GGUF file or the folder of an OpenVINO model.
    cache_blocks : int
        Size of the key-value cache, in blocks of 32 tokens.

    Raises
    ------
    MissingPackageError
        OpenVINO GenAI is not installed.
    ModelError
        The model cannot be read.
    """

    def __init__(self, model: Path, *, cache_blocks: int) -> None:
        self._genai = _genai()
        self._tails: dict[int, set[int]] = {}
        self._next_id = 0
        self.cache_blocks = cache_blocks
        self.sha256 = _model_sha256(model)
        header = None if model.is_dir() else read_gguf(model)
        self.model_context = _context_length(model, header)
        self._path = convert(model, self.sha256) if header and _has_q4_1(header) else model
        try:
            self.tokenizer = load_on_thread(lambda: self._genai.Tokenizer(str(model)))
            self._loaded: Any = self._load()
        except RuntimeError as error:
            raise ModelError(
                f"OpenVINO GenAI cannot load the model {model}.",
                hint="Use a GGUF file of an architecture that it supports, or an OpenVINO folder.",
            ) from error

    @property
    def version(self) -> str:
        """Version of OpenVINO GenAI."""
        return str(self._genai.__version__)

    @cached_property
    def stop_tokens(self) -> set[int]:
        """Tokens that end a response."""
        return {*self._engine().get_config().stop_token_ids, self.tokenizer.get_eos_token_id()}

    def config(self, **options: Any) -> Any:  # noqa: ANN401
        """Return the engine's settings for one request."""
        return self._genai.GenerationConfig(apply_chat_template=False, **options)

    def render(self, prompt: Prompt) -> str:
        """Render a chat as the model's input text, up to the start of its response.

        Turn markers inside messages are split by a space, so that no message can end its turn.
        """
        turns = [{"role": turn.role, "content": plain(turn.content)} for turn in prompt.messages]
        try:
            text = self.tokenizer.apply_chat_template(
                turns, add_generation_prompt=True, chat_template=self._template
            )
        except RuntimeError as error:
            raise ModelError(
                "The model's chat template does not accept the prompt.",
                hint="Use the roles system, user and assistant, and a chat model.",
            ) from error
        return str(text)

    @cached_property
    def _template(self) -> str:
        """The model's own template, or ChatML if its template adds a system message by itself."""
        user_only = [{"role": "user", "content": "."}]
        text = self.tokenizer.apply_chat_template(user_only, add_generation_prompt=True)
        return _PLAIN_CHATML if text.startswith("<|im_start|>system") else ""

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        """Return the tokens of each text."""
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        tokens: dict[int, Tokens] = {}
        for start in range(0, len(order), _ENCODE_CHUNK):
            chunk = order[start : start + _ENCODE_CHUNK]
            tokens.update(zip(chunk, self._encode([texts[i] for i in chunk]), strict=True))
        return [tokens[index] for index in range(len(texts))]

    def _encode(self, texts: list[str]) -> list[Tokens]:
        inputs = self.tokenizer.encode(texts, add_special_tokens=False)
        rows = zip(inputs.input_ids.data, inputs.attention_mask.data, strict=True)
        return [tuple(ids[mask.astype(bool)].tolist()) for ids, mask in rows]

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens without special tokens."""
        return str(self.tokenizer.decode(list(tokens), skip_special_tokens=True))

    def run(
        self,
        jobs: Sequence[Job],
        on_done: Callable[[int, Any], None],
        *,
        waves: Sequence[Sequence[Tokens]] = (),
        on_tokens: Callable[[int, Tokens], None] | None = None,
    ) -> None:
        """Run all jobs; call `on_done(index, output)` as each finishes.

        `on_tokens(index, tokens)` is called with the tokens so far, if it is given.

        The primers in `waves`, whole blocks of tokens, are put into the cache first. After any
        exception, an interrupt included, unfinished jobs are cancelled and the cache is emptied,
        and the pipeline can be used again.

        Raises
        ------
        ModelError
            The engine dropped a job.
        """
        if any(self._begins_with_tail(job.tokens) for job in jobs):
            self.forget()
        config = self.config(max_new_tokens=1)
        for wave in waves:
            primers = [Job(index, tokens, config) for index, tokens in enumerate(wave)]
            self._run(primers, lambda *_: None)
        self._run(jobs, on_done, on_tokens)

    def _run(
        self,
        jobs: Sequence[Job],
        on_done: Callable[[int, Any], None],
        on_tokens: Callable[[int, Tokens], None] | None = None,
    ) -> None:
        running: dict[int, Any] = {}
        parts: dict[int, Streamed] = {}
        tokens = {job.index: job.tokens for job in jobs}
        try:
            for job in jobs:
                running[job.index] = self._add(job)
            while running:
                self._engine().step()
                if on_tokens is not None:
                    _read_parts(running, parts, on_tokens)
                for index, output in self._finished(running, parts):
                    self._record_tail(tokens[index], output.generated_ids)
                    on_done(index, output)
        except BaseException:
            self._cancel(running)
            self.forget()
            raise

    def _cancel(self, running: dict[int, Any]) -> None:
        """Cancel unfinished jobs and let the engine free them."""
        for handle in running.values():
            handle.cancel()
        running.clear()
        while self._engine().has_non_finished_requests():
            self._engine().step()

    def _record_tail(self, tokens: Tokens, generated: Sequence[int]) -> None:
        """Record the tail of a finished sequence: all but its last token, which was not run."""
        is_echo = len(generated) > len(tokens) and tuple(generated[: len(tokens)]) == tokens
        sequence = (tuple(generated) if is_echo else (*tokens, *generated))[:-1]
        if len(sequence) % BLOCK:
            self._tails.setdefault(len(sequence), set()).add(hash(sequence))

    def _begins_with_tail(self, tokens: Tokens) -> bool:
        """Return whether tokens begin with a finished sequence that ends inside a block."""
        lengths = (length for length in self._tails if length <= len(tokens))
        return any(hash(tokens[:length]) in self._tails[length] for length in lengths)

    def forget(self) -> None:
        """Empty the key-value cache; the model is loaded again on its next use."""
        self._loaded = None
        self._tails.clear()
        gc.collect()

    def _engine(self) -> Any:  # noqa: ANN401
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded

    def _load(self) -> Any:  # noqa: ANN401
        scheduler = self._genai.SchedulerConfig()
        scheduler.num_kv_blocks = self.cache_blocks
        scheduler.max_num_batched_tokens = _MAX_BATCHED_TOKENS
        scheduler.max_num_seqs = _MAX_IN_FLIGHT
        scheduler.enable_prefix_caching = True
        scheduler.dynamic_split_fuse = True
        make = self._genai.ContinuousBatchingPipeline
        return load_on_thread(
            lambda: make(str(self._path), self.tokenizer, scheduler, "CPU", **_OPTIONS)
        )

    def _add(self, job: Job) -> Any:  # noqa: ANN401
        from openvino import Tensor

        self._next_id += 1
        tokens = Tensor(np.asarray([job.tokens], dtype=np.int64))
        return self._engine().add_request(self._next_id, tokens, job.config)

    def _finished(
        self, running: dict[int, Any], parts: Mapping[int, Streamed]
    ) -> Iterator[tuple[int, Any]]:
        """Remove finished jobs from `running` and yield their outputs."""
        status = self._genai.GenerationStatus
        for index, handle in list(running.items()):
            state = handle.get_status()
            if state == status.RUNNING:
                continue
            del running[index]
            if state != status.FINISHED:
                raise ModelError(
                    f"OpenVINO GenAI dropped a request ({state.name}).",
                    hint="Use a larger cache: LocalBackend(cache_blocks=1024).",
                )
            yield index, parts[index] if index in parts else handle.read_all()[0]


def _read_parts(
    running: Mapping[int, Any],
    parts: dict[int, Streamed],
    on_tokens: Callable[[int, Tokens], None],
) -> None:
    """Read the new tokens of running jobs; report all tokens of each job with new ones."""
    for index, handle in running.items():
        while handle.can_read():
            (part,) = handle.read().values()
            before = parts[index].generated_ids if index in parts else ()
            parts[index] = Streamed((*before, *part.generated_ids), part.finish_reason)
            on_tokens(index, parts[index].generated_ids)


def _genai() -> Any:  # noqa: ANN401
    try:
        import openvino_genai
    except ImportError as error:
        raise missing("openvino-genai", "local") from error
    return openvino_genai


def _has_q4_1(header: GGUF) -> bool:
    return any(tensor.kind == Q4_1 for tensor in header.tensors)


def _model_sha256(model: Path) -> str:
    """Return the SHA-256 of a file, or of the names and hashes of a folder's files."""
    import hashlib

    if not model.exists():
        raise ModelError(
            f"The model {model} does not exist.",
            hint="Give the path of a GGUF file or of an OpenVINO model folder.",
        )
    if model.is_file():
        return file_sha256(model)
    files = sorted(path for path in model.iterdir() if path.is_file())
    listing = "".join(f"{path.name} {file_sha256(path)}\n" for path in files)
    return hashlib.sha256(listing.encode()).hexdigest()


def _context_length(model: Path, header: GGUF | None) -> int:
    """Return the context length that the model was trained for, in tokens."""
    if header is not None:
        name = header.metadata.get("general.architecture")
        return int(header.metadata.get(f"{name}.context_length", _DEFAULT_CONTEXT))
    try:
        config = json.loads((model / "config.json").read_text())
    except (OSError, ValueError):
        return _DEFAULT_CONTEXT
    return int(config.get("max_position_embeddings", _DEFAULT_CONTEXT))
