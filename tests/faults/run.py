"""Print the table of faults: the fault, the run's record and whether the test passed.

Each row is a test with a real process: a kernel, a server, or a store that others use too. The
exit code is 1 if any test fails.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

HERE = Path(__file__).parent


def rows(report: Path) -> list[tuple[str, str, bool]]:
    """Return the fault, the run records and the verdict of each test in a pytest report."""
    return [
        (
            case.get("name", "").removeprefix("test_").replace("_", " "),
            "; ".join(found.get("value", "") for found in case.findall("properties/property")),
            not any(case.find(fault) is not None for fault in ("failure", "error", "skipped")),
        )
        for case in ET.parse(report).iter("testcase")  # noqa: S314  written by pytest just now
    ]


def main() -> int:
    """Run the fault tests, including the slow ones, and print their table."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        endpoints = (
            HERE.parent
            / "test_notebooks.py::test_the_notebook_of_endpoints_runs_from_the_top_in_small"
        )
        tests = [sys.executable, "-m", "pytest", "-q", str(HERE), str(endpoints)]
        tests += [f"--junitxml={report}"]
        tests += ["-o", "junit_family=xunit1"]
        done = subprocess.run(
            tests,
            check=False,
            capture_output=True,
            text=True,
            env=os.environ | {"MOP_FAULTS": "1", "MOP_SLOW": "1"},
        )
        if not report.exists():
            print(done.stdout, done.stderr)
            return 1
        table = rows(report)
    width = max((len(fault) for fault, _, _ in table), default=0)
    for fault, records, passed in table:
        print(f"{'pass' if passed else 'FAIL'}  {fault:{width}}  {records}")
    n_passed = sum(passed for _, _, passed in table)
    print(
        f"{n_passed} of {len(table)} faults pass. In each record, requested = the sum of outcomes."
    )
    if done.returncode:
        print(done.stdout)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
