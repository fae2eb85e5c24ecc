"""Make a release ready, and upload nothing: make release.

Version, changelog and tree agree; wheel and sdist are built and pass twine's check; the wheel is
installed in clean environments: the oldest Python that is allowed and found here, with the oldest
allowed dependencies and with the newest, and the newest Python. In each every module is imported, a
study runs in a script, and the magics run in a terminal.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TRIED = [ROOT / "tests" / "environments" / f"{name}.py" for name in ("session", "terminal")]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
EXTRAS = ("local", "export", "endpoints", "keys")
NOT_ALWAYS = "jupyter_mop.backends.transport"  # an older client, which is allowed, goes without
IMPORT_ALL = f"""
import importlib, pkgutil, sys, jupyter_mop
names = [m.name for m in pkgutil.walk_packages(jupyter_mop.__path__, "jupyter_mop.")]
names = [name for name in names if not name.endswith("__main__")]
names.remove("{NOT_ALWAYS}")
for name in names: importlib.import_module(name)
print(sys.version.split()[0], "jupyter-mop", jupyter_mop.__version__, len(names), "modules")
"""


def said(*command, **more):
    """Return what a command prints; stop with it where it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **more,
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout.strip()


def check_version():
    """Return the version, which project, package and changelog must agree on."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = project["version"]
    package = (ROOT / "jupyter_mop" / "__init__.py").read_text(encoding="utf-8")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    places = {
        "jupyter_mop/__init__.py": f'__version__ = "{version}"' in package,
        "CHANGELOG.md": f"## {version}" in changes,
        "CITATION.cff": bool(
            re.search(rf'^version: "?{re.escape(version)}"?$', citation, re.MULTILINE)
        ),
        "a clean tree": not said("git", "status", "--porcelain", cwd=ROOT),
    }
    wrong = [place for place, agrees in places.items() if not agrees]
    if wrong:
        sys.exit(f"Version {version} of pyproject.toml wants: {', '.join(wrong)}.")
    return version


def build(folder):
    """Build sdist and, from it, the wheel; return the wheel."""
    said(sys.executable, "-m", "build", "-q", "--outdir", folder, ROOT)
    print(said(sys.executable, "-m", "twine", "check", "--strict", *sorted(folder.iterdir())))
    (wheel,) = folder.glob("*.whl")
    return wheel


def pythons():
    """Return the oldest and the newest Python that is allowed and found."""
    found = {}
    for version in PYTHONS:
        pyenv = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
        for path in filter(None, [*map(str, pyenv), shutil.which(f"python{version}")]):
            if not subprocess.run([path, "-c", ""], check=False, capture_output=True).returncode:
                found.setdefault(version, path)
    print("Python", ", ".join(found), "found here; the oldest and the newest are used")
    ordered = sorted(found, key=PYTHONS.index)
    return found[ordered[0]], found[ordered[-1]]


def try_wheel(wheel, python, resolution, folder):
    """Install the wheel in a clean environment and use it there."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    env |= {"JUPYTER_MOP_STORE": str(folder / "s.sqlite"), "IPYTHONDIR": str(folder / "ipython")}
    more = {"cwd": folder, "env": env}
    uv = [sys.executable, "-m", "uv"]
    own = folder / "env" / "bin" / "python"
    said(*uv, "venv", "-q", "--python", python, folder / "env", **more)
    install = [*uv, "pip", "install", "-q", "--python", own]
    extras = [part for extra in EXTRAS for part in ("--extra", extra)]
    said(*install, "--resolution", resolution, "-r", ROOT / "pyproject.toml", *extras, **more)
    said(*install, "--no-deps", wheel, **more)
    said(*uv, "pip", "check", "--python", own, **more)
    told = said(own, "-c", IMPORT_ALL, **more).splitlines()[-1]
    for script in TRIED:
        said(own, script, **more)
    return told


def main():
    """Do it all; the first thing that is wrong ends it."""
    version = check_version()
    with tempfile.TemporaryDirectory() as folder:
        wheel = build(Path(folder) / "dist")
        oldest, newest = pythons()
        pairs = (oldest, "lowest-direct"), (oldest, "highest"), (newest, "highest")
        for i, (python, resolution) in enumerate(pairs):
            own = Path(folder) / str(i)
            own.mkdir()
            told = try_wheel(wheel, python, resolution, own)
            print(f"Python {told}, dependencies {resolution}: pass", flush=True)
        shutil.rmtree(ROOT / "dist", ignore_errors=True)
        shutil.copytree(wheel.parent, ROOT / "dist")
    print(f"{version} is in dist/. Tag and upload it by hand:")
    print(f"  git tag v{version} && git push origin v{version} && python -m twine upload dist/*")


if __name__ == "__main__":
    main()
