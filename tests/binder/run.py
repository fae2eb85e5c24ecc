"""Build what Binder builds, here, and run every notebook in it with its limits: make binder.

The steps are those of repo2docker, in its order: a clone, the Python of runtime.txt,
requirements.txt, postBuild, and the server inside `start`. The home folder is the clone, as in the
image. The resident memory of the server and all its children is measured, on one pinned core.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from memory import MEGABYTE, Watch

ROOT = Path(__file__).resolve().parents[2]
HARD_LIMIT, QUICKSTART_LIMIT = 2000, 1200  # megabytes: the limit of mybinder.org, and ours
HEAVIEST = "06_your_model.ipynb"  # a model server and a cluster run beside the kernel
MAX_FIRST_REPLY = 10  # seconds
N_PACKAGES = 8


def find_python(repo):
    """Return the Python that runtime.txt names, or else this one; print which."""
    file = repo / "binder" / "runtime.txt"
    version = file.read_text().strip().removeprefix("python-") if file.exists() else ""
    pyenv = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}*/bin/python{version}"))
    for found in filter(None, [version and shutil.which(f"python{version}"), *map(str, pyenv)]):
        if not subprocess.run([found, "-c", ""], check=False, capture_output=True).returncode:
            print(f"Python {version}, as in runtime.txt")
            return found
    print(f"Python {sys.version.split()[0]}: runtime.txt names {version or 'none'}, not found here")
    return sys.executable


def environment(repo, venv):
    """Return the image's environment variables: its home is the clone, its Python comes first."""
    dropped = ("JUPYTER", "PYTHON", "IPYTHON", "VIRTUAL_ENV", "MALLOC", "XDG")
    other = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    path = os.pathsep.join([str(venv / "bin"), other["PATH"]])
    return other | {"HOME": str(repo), "PATH": path, "VIRTUAL_ENV": str(venv)}


def check_packages(repo):
    """Fail if a Debian package of apt.txt is not installed here; only the image installs them."""
    file = repo / "binder" / "apt.txt"
    for package in file.read_text().split() if file.exists() else ():
        subprocess.run(["dpkg", "-s", package], check=True, capture_output=True)


def build(folder):
    """Do the steps of repo2docker in `folder`; return the clone and its environment variables."""
    repo, venv = folder / "home", folder / "venv"
    subprocess.run(["git", "clone", "-q", f"file://{ROOT}", str(repo)], check=True)
    env = environment(repo, venv)
    subprocess.run([find_python(repo), "-m", "venv", str(venv)], check=True)
    check_packages(repo)
    pip = ["python", "-m", "pip", "install", "--quiet", "--no-cache-dir", "-r"]
    step("requirements.txt", [*pip, "binder/requirements.txt"], repo, env)
    step("postBuild", ["./binder/postBuild"], repo, env)
    return repo, env


def step(name, command, repo, env):
    began = time.monotonic()
    with Watch() as watch:
        process = subprocess.Popen(
            command, cwd=repo, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        watch.follow(process.pid)
        output, _ = process.communicate()
    if process.returncode:
        sys.exit(f"{output}\n{name} failed")
    taken = time.monotonic() - began
    print(f"{name}: {taken:.0f} s, peak memory {watch.peak:.0f} MB", flush=True)


def megabytes(path):
    """Return the size on disk of a file or folder, each hard link counted once."""
    files = [path] if path.is_file() else (file for file in path.rglob("*"))
    sizes = {}
    for file in files:
        found = file.lstat()
        sizes[found.st_ino] = found.st_blocks * 512
    return sum(sizes.values()) / MEGABYTE


def print_layers(repo, venv):
    """Print the parts of the image beyond its base, and the largest packages."""
    cache = repo / ".cache" / "jupyter-mop"
    stored = sum(megabytes(file) for file in cache.glob("store.sqlite*"))
    layers = {"environment": megabytes(venv), "models": megabytes(cache / "models")}
    layers |= {"cached answers": stored, "the clone": megabytes(repo) - megabytes(cache)}
    for name, size in layers.items():
        print(f"  {name:18}{size:8.1f} MB")
    print(f"  {'total':18}{sum(layers.values()):8.1f} MB")
    (site,) = venv.glob("lib/python*/site-packages")
    sizes = sorted(((megabytes(item), item.name) for item in site.iterdir()), reverse=True)
    print(
        "  largest packages:",
        *(f"{name} {size:.0f}," for size, name in sizes[:N_PACKAGES]),
        "...",
        flush=True,
    )


class Server:
    """The image's server, started as Binder does, on one core."""

    def __init__(self, repo, env):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        self.token = secrets.token_hex(16)
        flags = ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={self.url[17:]}"]
        self.process = subprocess.Popen(
            ["binder/start", "jupyter", "lab", *flags, f"--IdentityProvider.token={self.token}"],
            cwd=repo,
            env=env,
            stderr=(repo.parent / "server.log").open("wb"),
        )
        os.sched_setaffinity(self.process.pid, [min(os.sched_getaffinity(0))])

    def __enter__(self):
        for _ in range(300):
            with contextlib.suppress(OSError):
                self.ask("/api/status")
                return self
            time.sleep(0.2)
        raise TimeoutError(self.url)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)

    def ask(self, path, method="GET", body=None):
        """Return the server's reply as text."""
        request = urllib.request.Request(  # noqa: S310  it is our own server
            self.url + path,
            json.dumps(body).encode() if body else None,
            {"Authorization": f"token {self.token}"},
            method=method,
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=60) as answer:
            self.path = answer.url.removeprefix(self.url)
            return answer.read().decode()


def check_start(server, first):
    """Fail unless the server opens the first notebook, with both side panels collapsed."""
    server.ask("/")
    assert server.path == f"/lab/tree/notebooks/{first}", server.path
    found = json.loads(server.ask("/lab/api/workspaces/default"))["data"]["layout-restorer:data"]
    assert found["main"]["current"] == f"notebook:notebooks/{first}", found
    assert found["left"]["collapsed"], found
    assert found["right"]["collapsed"], found
    print(f"opens {first}, side panels collapsed", flush=True)


def run_notebook(server, repo, env, name):
    """Run all cells of a notebook; return seconds to the first reply, total seconds and peak MB."""
    runner = Path(__file__).with_name("execute.py")
    with Watch(limit=HARD_LIMIT) as watch:
        watch.follow(server.process.pid)
        command = ["python", str(runner), str(repo / "notebooks" / name), server.url, server.token]
        done = subprocess.run(command, env=env, check=False, stdout=subprocess.PIPE, text=True)
    if watch.over:
        sys.exit(f"{name}: stopped at {watch.peak:.0f} MB, the limit is {HARD_LIMIT} MB")
    if done.returncode:
        sys.exit(f"{done.stdout}\n{name} failed")
    first, total = map(float, done.stdout.split()[-2:])
    return first, total, watch.peak


def check(repo, env):
    """Run every notebook and print a line for each; return whether all stayed within the limits."""
    all_passed = True
    names = sorted(path.name for path in (repo / "notebooks").glob("[0-9]*.ipynb"))
    with Server(repo, env) as server:
        check_start(server, names[0])
        print(f"{'':22}{'first reply':>14}{'total':>10}{'peak':>12}")
        for name in names:
            first, total, peak = run_notebook(server, repo, env, name)
            max_memory = HARD_LIMIT if name == HEAVIEST else QUICKSTART_LIMIT
            passed = first < MAX_FIRST_REPLY and peak < max_memory
            verdict = "pass" if passed else "FAIL"
            print(f"{name:22}{first:12.1f} s{total:8.0f} s{peak:9.0f} MB  {verdict}", flush=True)
            all_passed = all_passed and passed
    limits = f"memory < {QUICKSTART_LIMIT} MB ({HEAVIEST}: {HARD_LIMIT})"
    print(f"limits: first reply < {MAX_FIRST_REPLY} s, {limits}, one core")
    return all_passed


def main():
    """Build in the given folder, or in a temporary one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="build here, and keep the folder")
    parser.add_argument("--again", action="store_true", help="use the earlier build in --folder")
    chosen = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = chosen.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        repo, venv = folder.resolve() / "home", folder.resolve() / "venv"
        env = environment(repo, venv) if chosen.again else build(folder.resolve())[1]
        print_layers(repo, venv)
        return int(not check(repo, env))


if __name__ == "__main__":
    sys.exit(main())
