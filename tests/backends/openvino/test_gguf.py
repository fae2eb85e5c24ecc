from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from jupyter_mop.backends.model_files import LANGUAGE_MODEL, language_model_path
from jupyter_mop.backends.openvino.gguf import Q4_1, convert, q4_1_blocks, read_gguf
from jupyter_mop.errors import ModelError


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


@pytest.fixture
def tiny(tmp_path):
    """Give a GGUF file with one Q4_1 tensor of shape (2, 32), and its weights."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 16, (2, 32), dtype=np.uint8)
    scales, minimums = np.array([0.5, 0.25]), np.array([-1.125, -3.0])
    body = b"".join(
        np.array([scale, minimum], "<f2").tobytes() + (row[:16] | row[16:] << 4).tobytes()
        for row, scale, minimum in zip(codes, scales, minimums, strict=True)
    )
    header = struct.pack("<IIQQ", 0x46554747, 3, 1, 3)
    header += text("general.architecture") + struct.pack("<I", 8) + text("llama")
    header += text("llama.context_length") + struct.pack("<II", 4, 77)
    header += text("names") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("b")
    header += text("w.weight") + struct.pack("<IQQIQ", 2, 32, 2, Q4_1, 0)
    path = tmp_path / "tiny.gguf"
    path.write_bytes(header + b"\0" * (-len(header) % 32) + body)
    return path, codes * scales[:, None] + minimums[:, None]


def test_the_header_is_read(tiny):
    file = read_gguf(tiny[0])
    assert file.metadata["llama.context_length"] == 77
    assert file.metadata["names"] == ["a", "b"]
    assert [(t.name, t.shape, t.kind) for t in file.tensors] == [("w.weight", (2, 32), Q4_1)]


def test_q4_1_blocks_give_the_weights(tiny):
    path, weights = tiny
    file = read_gguf(path)
    codes, scales, minimums = q4_1_blocks(file, file.tensors[0])
    np.testing.assert_allclose(codes * scales + minimums, weights)


@pytest.mark.parametrize("content", [b"", b"GGUF", b"no model at all" * 10])
def test_another_file_is_refused(tmp_path, content):
    path = tmp_path / "other.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="not a GGUF model"):
        read_gguf(path)


@pytest.mark.model
def test_a_conversion_is_cached_and_repeated_if_damaged(tmp_path, monkeypatch):
    path = language_model_path()
    monkeypatch.setenv("JUPYTER_MOP_CACHE_DIR", str(tmp_path))
    folder = convert(path, LANGUAGE_MODEL.sha256)
    binary = folder / "openvino_model.bin"
    modified = binary.stat().st_mtime_ns
    assert convert(path, LANGUAGE_MODEL.sha256) == folder
    assert binary.stat().st_mtime_ns == modified
    with binary.open("r+b") as stream:
        stream.seek(1000)
        stream.write(b"damage")
    convert(path, LANGUAGE_MODEL.sha256)
    assert binary.stat().st_mtime_ns != modified
    assert sorted(p.name for p in folder.iterdir()) == [
        "checksums.json",
        "openvino_model.bin",
        "openvino_model.xml",
    ]
    assert set(json.loads((folder / "checksums.json").read_text())) == {
        "openvino_model.bin",
        "openvino_model.xml",
    }
    assert not list(folder.parent.glob("part-*"))
