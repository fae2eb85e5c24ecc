"""Read GGUF files and convert them for OpenVINO without loss.

A Q4_1 weight is ``scale * code + minimum`` with a 4-bit code, in blocks of 32. OpenVINO GenAI
writes it as ``scale * (code - zero_point)`` and rounds the zero point, -minimum / scale, to an
integer, which is off by up to half a step for all 32 weights. `convert` restores the exact zero
points. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.model_files import exclusive, file_sha256, models_dir
from jupyter_mop.backends.openvino.load_thread import load_on_thread
from jupyter_mop.errors import ModelError

Q4_1 = 3
_MAGIC = 0x46554747
_STRING, _ARRAY = 8, 9
_FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q"}
_FORMATS[12] = "d"
_BLOCK, _BLOCK_BYTES = 32, 20
_FILES = ("openvino_model.xml", "openvino_model.bin")


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a GGUF file; `shape` has rows first, `offset` is from the file's start."""

    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int


@dataclass(frozen=True, slots=True)
class GGUF:
    """The header and the bytes of a GGUF file."""

    metadata: dict[str, Any]
    tensors: tuple[Tensor, ...]
    data: NDArray[np.uint8]


class _Reader:
    """Read little-endian values in sequence."""

    def __init__(self, data: NDArray[np.uint8]) -> None:
        self._data = data
        self.offset = 0

    def number(self, code: str) -> Any:  # noqa: ANN401
        value = struct.unpack_from(f"<{code}", self._data.data, self.offset)[0]
        self.offset += struct.calcsize(f"<{code}")
        return value

    def string(self) -> str:
        end = self.number("Q") + self.offset
        text = bytes(self._data[self.offset : end]).decode("utf-8", "replace")
        self.offset = end
        return text

    def value(self, kind: int) -> Any:  # noqa: ANN401
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            item, length = self.number("I"), self.number("Q")
            return [self.value(item) for _ in range(length)]
        return self.number(_FORMATS[kind])

    def tensor(self) -> Tensor:
        name = self.string()
        shape = tuple(self.number("Q") for _ in range(self.number("I")))
        return Tensor(name, shape[::-1], self.number("I"), self.number("Q"))


def read_gguf(path: Path) -> GGUF:
    """Read the header of a GGUF file; its weights stay on disk until they are used.

    Raises
    ------
    ModelError
        The file is not a GGUF file.
    """
    try:
        data = np.memmap(path, np.uint8, "r")
        return _read_header(_Reader(data), data)
    except (OSError, ValueError, KeyError, struct.error) as error:
        raise ModelError(
            f"The file {path} is not a GGUF model.",
            hint="Give the path of a GGUF file or of an OpenVINO model folder.",
        ) from error


def _read_header(reader: _Reader, data: NDArray[np.uint8]) -> GGUF:
    if reader.number("I") != _MAGIC:
        raise ValueError
    reader.number("I")
    n_tensors, n_entries = reader.number("Q"), reader.number("Q")
    metadata = {reader.string(): reader.value(reader.number("I")) for _ in range(n_entries)}
    tensors = [reader.tensor() for _ in range(n_tensors)]
    align = metadata.get("general.alignment", 32)
    start = -(-reader.offset // align) * align
    located = (Tensor(t.name, t.shape, t.kind, start + t.offset) for t in tensors)
    return GGUF(metadata, tuple(located), data)


def q4_1_blocks(
    file: GGUF, tensor: Tensor
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
    """Return the codes, scales and minimums of a Q4_1 tensor, shape (rows, columns).

    Returns
    -------
    codes : ndarray of uint8, shape (rows, columns)
        Four-bit codes.
    scales, minimums : ndarray of float32, shape (rows, columns / 32)
        A weight is ``scale * code + minimum``.
    """
    rows, columns = tensor.shape
    n_blocks = rows * columns // _BLOCK
    end = tensor.offset + n_blocks * _BLOCK_BYTES
    blocks = file.data[tensor.offset : end].reshape(n_blocks, _BLOCK_BYTES)
    pair = blocks[:, :4].copy().view("<f2").astype(np.float32).reshape(rows, -1, 2)
    packed = blocks[:, 4:]
    codes = np.concatenate([packed & 15, packed >> 4], axis=1).reshape(rows, columns)
    return codes, pair[..., 0], pair[..., 1]


def convert(path: Path, sha256: str) -> Path:
    """Return the folder of a GGUF file's exact OpenVINO model, converted on first use.

    Parameters
    ----------
    path : Path
        A GGUF file.
    sha256 : str
        Its SHA-256, which names the folder of the converted model.

    Raises
    ------
    ModelError
        The file cannot be read or converted.
    """
    import openvino

    folder = models_dir() / f"{sha256[:16]}-openvino-{openvino.__version__.split('-')[0]}"
    if not _is_intact(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(folder.parent):
            if not _is_intact(folder):
                _convert(path, folder)
    return folder


def _is_intact(folder: Path) -> bool:
    """Return whether the converted files exist and match their checksums."""
    try:
        sums = json.loads((folder / "checksums.json").read_text())
        return all(file_sha256(folder / name) == sums[name] for name in _FILES)
    except (OSError, ValueError, KeyError):
        return False


def _convert(path: Path, folder: Path) -> None:
    temporary = Path(tempfile.mkdtemp(prefix="part-", dir=folder.parent))
    try:
        raw, done = temporary / "raw", temporary / "done"
        raw.mkdir()
        done.mkdir()
        _save_raw(path, raw)
        _save_exact(raw, done, _zero_points(path))
        sums = {name: file_sha256(done / name) for name in _FILES}
        (done / "checksums.json").write_text(json.dumps(sums))
        shutil.rmtree(folder, ignore_errors=True)
        done.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _save_raw(path: Path, folder: Path) -> None:
    """Let OpenVINO GenAI read the GGUF file and save its OpenVINO model in `folder`."""
    import openvino_genai

    linked = folder / path.name
    try:
        os.link(path.resolve(), linked)
    except OSError:
        shutil.copyfile(path, linked)
    config = openvino_genai.SchedulerConfig()
    config.num_kv_blocks = 16
    options = {"enable_save_ov_model": True}
    try:
        make = openvino_genai.ContinuousBatchingPipeline
        load_on_thread(lambda: make(str(linked), config, "CPU", options, {}))
    except RuntimeError as error:
        raise ModelError(
            f"OpenVINO GenAI cannot read the model {path.name}.",
            hint="Use a GGUF file of a supported architecture, or an OpenVINO model folder.",
        ) from error


def _zero_points(path: Path) -> dict[bytes, NDArray[np.float32]]:
    """Return the exact zero points of each row of Q4_1 weights, keyed by the row's codes."""
    file = read_gguf(path)
    found: dict[bytes, NDArray[np.float32]] = {}
    for tensor in file.tensors:
        if tensor.kind == Q4_1:
            codes, scales, minimums = q4_1_blocks(file, tensor)
            points = -minimums / np.where(scales == 0, 1, scales)
            found.update((row.tobytes(), point) for row, point in zip(codes, points, strict=True))
    return found


def _save_exact(raw: Path, done: Path, zero_points: dict[bytes, NDArray[np.float32]]) -> None:
    """Copy the model from `raw` to `done` with exact instead of rounded zero points."""
    import openvino
    from openvino import op

    model = openvino.Core().read_model(raw / _FILES[0])
    for codes, rounded in _four_bit_weights(model):
        rows = [row.tobytes() for row in _unpack(codes)]
        if not zero_points.keys() >= set(rows):
            continue
        exact = np.stack([zero_points[row] for row in rows])
        constant = op.Constant(exact[..., None].astype(np.float16))
        for target in list(rounded.output(0).get_target_inputs()):
            target.replace_source_output(constant.output(0))
    model.validate_nodes_and_infer_types()
    openvino.save_model(model, done / _FILES[0], compress_to_fp16=False)


def _four_bit_weights(model: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401
    """Yield the constant of each 4-bit weight with the node of its zero points."""
    for node in model.get_ordered_ops():
        if node.get_type_name() != "Subtract":
            continue
        weight, rounded = (node.input_value(side).get_node() for side in (0, 1))
        codes = weight.input_value(0).get_node() if weight.get_input_size() else weight
        if codes.get_type_name() == "Constant" and codes.get_element_type().to_string() == "u4":
            yield codes, rounded


def _unpack(codes: Any) -> NDArray[np.uint8]:  # noqa: ANN401
    """Return the 4-bit codes of a constant, one byte each, shape (rows, columns)."""
    packed = np.asarray(codes.data).view(np.uint8).reshape(-1)
    pairs = np.stack([packed & 15, packed >> 4], axis=1)
    return pairs.reshape(codes.get_output_shape(0)[0], -1)
