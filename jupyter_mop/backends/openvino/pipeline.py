"""OpenVINO GenAI's continuous batching, its cache of prefixes used only where it is right.

A finished sequence leaves its last, partly filled block in the cache (its tail). Where two running
sequences restore the same tail, or one restores a block that another is filling, both write into
it and the results are silently wrong (openvino-genai 2026.4). So all jobs are added before the
first step, when nothing runs, and where one begins with a known tail the cache is emptied first.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from jupyter_mop.backends.chat_templates import plain
from jupyter_mop.backends.model_files import file_sha256
from jupyter_mop.backends.openvino.gguf import GGUF, Q4_1, convert, read_gguf
from jupyter_mop.backends.openvino.load_thread import load_apart
from jupyter_mop.backends.openvino.prefix_cache import BLOCK, Tokens
from jupyter_mop.backends.protocols import Prompt
from jupyter_mop.errors import ModelError, missing

_OPTIONS = {
    "INFERENCE_PRECISION_HINT": "f32",
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
    "KV_CACHE_PRECISION": "f16",
}
_BATCHED_TOKENS = 256
_IN_FLIGHT = 128
_ENCODE_CHUNK = 64
_DEFAULT_CONTEXT = 2048
_PLAIN_CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content']"
    " + '<|im_end|>\n' }}{% endfor %}{{ '<|im_start|>assistant\n' }}"
)


@dataclass(frozen=True, slots=True)
class Job:
    """Tokens to run and how; `index` comes back with the result."""

    index: int
    tokens: Tokens
    config: Any


class Pipeline:
    """A loaded model: tokenizer, window, and a loop that runs jobs until all are finished.

    Parameters
    ----------
    model : Path
        A GGUF file or the folder of an OpenVINO model.
    cache_blocks : int
        Size of the cache of keys and values, in blocks of 32 tokens.

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
            self.tokenizer = load_apart(lambda: self._genai.Tokenizer(str(model)))
            self._loaded: Any = self._load()
        except RuntimeError as error:
            raise ModelError(
                f"OpenVINO GenAI cannot load the model {model}.",
                hint="Give a GGUF file of an architecture that it knows, or an OpenVINO folder.",
            ) from error

    @property
    def version(self) -> str:
        """The engine's version."""
        return str(self._genai.__version__)

    @cached_property
    def stop_tokens(self) -> set[int]:
        """Tokens that end a response."""
        return {*self._engine().get_config().stop_token_ids, self.tokenizer.get_eos_token_id()}

    def config(self, **options: Any) -> Any:  # noqa: ANN401
        """Return the engine's settings for one request."""
        return self._genai.GenerationConfig(apply_chat_template=False, **options)

    def render(self, prompt: Prompt) -> str:
        """Return the text that the model reads, up to where its answer begins.

        Markers of turns inside the data are parted: no text can end its own turn.
        """
        turns = [{"role": turn.role, "content": plain(turn.content)} for turn in prompt.messages]
        try:
            text = self.tokenizer.apply_chat_template(
                turns, add_generation_prompt=True, chat_template=self._template
            )
        except RuntimeError as error:
            raise ModelError(
                "The model's chat template does not accept the prompt.",
                hint="Use the roles system, user and assistant, or a chat model.",
            ) from error
        return str(text)

    @cached_property
    def _template(self) -> str:
        """The model's own template, or ChatML where that one adds a system turn by itself."""
        alone = [{"role": "user", "content": "."}]
        text = self.tokenizer.apply_chat_template(alone, add_generation_prompt=True)
        return _PLAIN_CHATML if text.startswith("<|im_start|>system") else ""

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        """Return the tokens of each text."""
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        found: dict[int, Tokens] = {}
        for start in range(0, len(order), _ENCODE_CHUNK):
            chunk = order[start : start + _ENCODE_CHUNK]
            found.update(zip(chunk, self._encode([texts[i] for i in chunk]), strict=True))
        return [found[index] for index in range(len(texts))]

    def _encode(self, texts: list[str]) -> list[Tokens]:
        inputs = self.tokenizer.encode(texts, add_special_tokens=False)
        rows = zip(inputs.input_ids.data, inputs.attention_mask.data, strict=True)
        return [tuple(ids[mask.astype(bool)].tolist()) for ids, mask in rows]

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens, special tokens left out."""
        return str(self.tokenizer.decode(list(tokens), skip_special_tokens=True))

    def run(
        self,
        jobs: Sequence[Job],
        on_done: Callable[[int, Any], None],
        *,
        waves: Sequence[Sequence[Tokens]] = (),
    ) -> None:
        """Run all jobs; `on_done(index, output)` as each finishes.

        The primers of `waves`, whole blocks of tokens, are put into the cache first. On any
        exception, an interrupt included, what is unfinished is dropped and the cache emptied;
        the pipeline can be used again.

        Raises
        ------
        ModelError
            The engine gave a job up.
        """
        if any(self._meets_tail(job.tokens) for job in jobs):
            self.forget()
        config = self.config(max_new_tokens=1)
        for wave in waves:
            primers = [Job(index, tokens, config) for index, tokens in enumerate(wave)]
            self._run(primers, lambda *_: None)
        self._run(jobs, on_done)

    def _run(self, jobs: Sequence[Job], on_done: Callable[[int, Any], None]) -> None:
        live: dict[int, Any] = {}
        tokens = {job.index: job.tokens for job in jobs}
        try:
            for job in jobs:
                live[job.index] = self._add(job)
            while live:
                self._engine().step()
                for index, output in self._finished(live):
                    self._keep_tail(tokens[index], output.generated_ids)
                    on_done(index, output)
        except BaseException:
            self._drop(live)
            self.forget()
            raise

    def _drop(self, live: dict[int, Any]) -> None:
        """Cancel what is unfinished and let the engine free it."""
        for handle in live.values():
            handle.cancel()
        live.clear()
        while self._engine().has_non_finished_requests():
            self._engine().step()

    def _keep_tail(self, tokens: Tokens, generated: Sequence[int]) -> None:
        """Remember what a finished sequence leaves: all but its last token, which was not run."""
        is_echo = len(generated) > len(tokens) and tuple(generated[: len(tokens)]) == tokens
        left = tuple(generated) if is_echo else (*tokens, *generated)
        if len(left[:-1]) % BLOCK:
            self._tails.setdefault(len(left) - 1, set()).add(hash(left[:-1]))

    def _meets_tail(self, tokens: Tokens) -> bool:
        """Return whether tokens begin with what a finished sequence left in a part of a block."""
        lengths = (length for length in self._tails if length <= len(tokens))
        return any(hash(tokens[:length]) in self._tails[length] for length in lengths)

    def forget(self) -> None:
        """Empty the cache of keys and values; the model is loaded again when it is next used."""
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
        scheduler.max_num_batched_tokens = _BATCHED_TOKENS
        scheduler.max_num_seqs = _IN_FLIGHT
        scheduler.enable_prefix_caching = True
        scheduler.dynamic_split_fuse = True
        make = self._genai.ContinuousBatchingPipeline
        return load_apart(
            lambda: make(str(self._path), self.tokenizer, scheduler, "CPU", **_OPTIONS)
        )

    def _add(self, job: Job) -> Any:  # noqa: ANN401
        from openvino import Tensor

        self._next_id += 1
        tokens = Tensor(np.asarray([job.tokens], dtype=np.int64))
        return self._engine().add_request(self._next_id, tokens, job.config)

    def _finished(self, live: dict[int, Any]) -> Iterator[tuple[int, Any]]:
        """Take out of `live` what is finished."""
        status = self._genai.GenerationStatus
        for index, handle in list(live.items()):
            state = handle.get_status()
            if state == status.RUNNING:
                continue
            del live[index]
            if state != status.FINISHED:
                raise ModelError(
                    f"OpenVINO GenAI gave a request up ({state.name}).",
                    hint="Give it a larger cache: LocalBackend(cache_blocks=1024).",
                )
            yield index, handle.read_all()[0]


def _genai() -> Any:  # noqa: ANN401
    try:
        import openvino_genai
    except ImportError as error:
        raise missing("openvino-genai", "local") from error
    return openvino_genai


def _has_q4_1(header: GGUF) -> bool:
    return any(tensor.kind == Q4_1 for tensor in header.tensors)


def _model_sha256(model: Path) -> str:
    """Return the sha256 of a file, or of the files of a folder one after the other."""
    import hashlib

    if not model.exists():
        raise ModelError(
            f"The model {model} is not there.",
            hint="Give the path of a GGUF file or of an OpenVINO model folder.",
        )
    if model.is_file():
        return file_sha256(model)
    files = sorted(path for path in model.iterdir() if path.is_file())
    sums = "".join(f"{path.name} {file_sha256(path)}\n" for path in files)
    return hashlib.sha256(sums.encode()).hexdigest()


def _context_length(model: Path, header: GGUF | None) -> int:
    """Return the window that the model was trained for, in tokens."""
    if header is not None:
        name = header.metadata.get("general.architecture")
        return int(header.metadata.get(f"{name}.context_length", _DEFAULT_CONTEXT))
    try:
        config = json.loads((model / "config.json").read_text())
    except (OSError, ValueError):
        return _DEFAULT_CONTEXT
    return int(config.get("max_position_embeddings", _DEFAULT_CONTEXT))
