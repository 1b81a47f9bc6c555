"""Runs the suites that `make test` names and prints, as the last line, how many tests passed and failed in all of them.

A unit binary speaks for itself through cmocka's summary; one that dies, hangs or runs nothing counts as one failure.
Pytest's own report is read from its JUnit file, so that errors in set-up and tear-down count too.
"""

import argparse
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

UNIT_SECONDS = 120


def run_unit(program):
    """Runs one cmocka binary. Returns (passed, failed, output)."""
    try:
        done = subprocess.run([program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=UNIT_SECONDS)
        output, code = done.stdout.decode(errors="replace"), done.returncode
    except subprocess.TimeoutExpired as late:
        output, code = (late.stdout or b"").decode(errors="replace") + f"\nstill running after {UNIT_SECONDS} s", None
    passed = sum(int(n) for n in re.findall(r"\[  PASSED  \] (\d+) test", output))
    failed = sum(int(n) for n in re.findall(r"\[=+\] (\d+) test\(s\) run", output)) - passed
    if failed <= 0 and (code != 0 or passed == 0):
        failed = 1
        output += f"\nended with exit code {code} and {passed} tests passed"
    return passed, failed, output


def run_units(programs):
    total_passed = total_failed = 0
    for program in programs:
        passed, failed, output = run_unit(program)
        name = "/".join(Path(program).parts[-2:])
        print(f"  {'UNIT':8} {name}: {passed} passed" + (f", {failed} FAILED" if failed else ""), flush=True)
        if failed:
            print(output, flush=True)
        total_passed += passed
        total_failed += failed
    return total_passed, total_failed


def run_pytest(places, build, arguments):
    """Runs pytest over the places. Returns (passed, failed, skipped)."""
    report = Path(build) / "results" / "pytest.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    env = dict(os.environ, PENNY_BUILD=str(Path(build).resolve()), PYTHONDONTWRITEBYTECODE="1")
    code = subprocess.run([sys.executable, "-m", "pytest", f"--junitxml={report}", "--durations=8", *arguments, *places], env=env).returncode
    if not report.exists():
        return 0, 1, 0
    suites = ET.parse(report).getroot().iter("testsuite")
    tests = failed = skipped = 0
    for suite in suites:
        tests += int(suite.get("tests"))
        failed += int(suite.get("failures")) + int(suite.get("errors"))
        skipped += int(suite.get("skipped"))
    if code != 0 and failed == 0:
        failed = 1
    return max(0, tests - failed - skipped), failed, skipped


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--unit", default="")
    parser.add_argument("--pytest", default="")
    options, rest = parser.parse_known_args()
    started = time.monotonic()
    passed, failed = run_units(options.unit.split())
    skipped = 0
    if options.pytest.split():
        p, f, skipped = run_pytest(options.pytest.split(), options.build, rest)
        passed, failed = passed + p, failed + f
    print(f"  {time.monotonic() - started:.0f} s" + (f", {skipped} skipped (named above)" if skipped else ""))
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
