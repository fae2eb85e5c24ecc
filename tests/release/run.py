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
SCRIPTS = [ROOT / "tests" / "environments" / f"{name}.py" for name in ("session", "terminal")]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
EXTRAS = ("local", "export", "endpoints", "keys")
NEEDS_AN_EXTRA = "jupyter_mop.backends.endpoint.transport"  # not with the oldest openai
IMPORT_ALL = f"""
import importlib, pkgutil, sys, jupyter_mop
names = [m.name for m in pkgutil.walk_packages(jupyter_mop.__path__, "jupyter_mop.")]
names = [name for name in names if not name.endswith("__main__") and name != "{NEEDS_AN_EXTRA}"]
for name in names: importlib.import_module(name)
print(sys.version.split()[0], "jupyter-mop", jupyter_mop.__version__, len(names), "modules")
"""


def output_of(*command, **options):
    """Return the output of a command; exit with it if the command fails."""
    done = subprocess.run(
        [str(part) for part in command],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout.strip()


def check_version():
    """Return the version; exit unless project, package, changelog and citation agree on it."""
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
        "uncommitted changes": not output_of("git", "status", "--porcelain", cwd=ROOT),
    }
    wrong = [place for place, agrees in places.items() if not agrees]
    if wrong:
        sys.exit(f"Before releasing {version} (pyproject.toml), correct: {', '.join(wrong)}.")
    return version


def build(folder):
    """Build the source distribution and, from it, the wheel; return the wheel."""
    output_of(sys.executable, "-m", "build", "-q", "--outdir", folder, ROOT)
    print(output_of(sys.executable, "-m", "twine", "check", "--strict", *sorted(folder.iterdir())))
    (wheel,) = folder.glob("*.whl")
    return wheel


def pythons():
    """Return the oldest and the newest allowed Python that are found."""
    found = {}
    for version in PYTHONS:
        pyenv = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
        for path in filter(None, [*map(str, pyenv), shutil.which(f"python{version}")]):
            if not subprocess.run([path, "-c", ""], check=False, capture_output=True).returncode:
                found.setdefault(version, path)
    print("Python", ", ".join(found), "found; the oldest and the newest are used")
    ordered = sorted(found, key=PYTHONS.index)
    return found[ordered[0]], found[ordered[-1]]


def try_wheel(wheel, python, resolution, folder):
    """Install the wheel in a clean environment and use it there; return the versions."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    env |= {"JUPYTER_MOP_STORE": str(folder / "s.sqlite"), "IPYTHONDIR": str(folder / "ipython")}
    options = {"cwd": folder, "env": env}
    uv = [sys.executable, "-m", "uv"]
    own = folder / "env" / "bin" / "python"
    output_of(*uv, "venv", "-q", "--python", python, folder / "env", **options)
    install = [*uv, "pip", "install", "-q", "--python", own]
    extras = [part for extra in EXTRAS for part in ("--extra", extra)]
    output_of(
        *install, "--resolution", resolution, "-r", ROOT / "pyproject.toml", *extras, **options
    )
    output_of(*install, "--no-deps", wheel, **options)
    output_of(*uv, "pip", "check", "--python", own, **options)
    summary = output_of(own, "-c", IMPORT_ALL, **options).splitlines()[-1]
    for script in SCRIPTS:
        output_of(own, script, **options)
    return summary


def main():
    """Do all checks; the first failure exits."""
    version = check_version()
    with tempfile.TemporaryDirectory() as folder:
        wheel = build(Path(folder) / "dist")
        oldest, newest = pythons()
        pairs = (oldest, "lowest-direct"), (oldest, "highest"), (newest, "highest")
        for i, (python, resolution) in enumerate(pairs):
            own = Path(folder) / str(i)
            own.mkdir()
            summary = try_wheel(wheel, python, resolution, own)
            print(f"Python {summary}, dependencies {resolution}: pass", flush=True)
        shutil.rmtree(ROOT / "dist", ignore_errors=True)
        shutil.copytree(wheel.parent, ROOT / "dist")
    print(f"{version} is in dist/. Tag and upload it by hand:")
    print(f"  git tag v{version} && git push origin v{version} && python -m twine upload dist/*")


if __name__ == "__main__":
    main()
