"""Runs the suites that `make test` names and prints, as the last line, how many tests passed and failed in all of them.

A unit binary speaks for itself through cmocka's summary; one that dies, hangs or runs nothing counts as one failure.
A place of node.js tests is spoken for by its runner's summary (node_suites.py). Each place of Python tests is a pytest of its own;
its report is read from its JUnit file, so that errors in set-up and tear-down count too.
"""

import argparse
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

from node_suites import run_node

UNIT_SECONDS = 120
NOTHING_COLLECTED = 5  # pytest: every test was deselected by the arguments


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


def run_pytest(place, build, arguments):
    """Runs pytest over one place, in a process of its own. Returns (passed, failed, skipped)."""
    report = Path(build) / "results" / f"{Path(place).name}.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    env = dict(os.environ, PENNY_BUILD=str(Path(build).resolve()), PYTHONDONTWRITEBYTECODE="1")
    print(f"  {'PYTEST':8} {place}", flush=True)
    code = subprocess.run([sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", "--durations=5", *arguments, place], env=env).returncode
    if not report.exists():
        return 0, 1, 0
    passed = failed = skipped = 0
    for case in ET.parse(report).getroot().iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            failed += 1
        elif "skipped" in kinds:
            skipped += 1
        else:
            passed += 1
    if code not in (0, NOTHING_COLLECTED) and failed == 0:
        failed = 1
    return passed, failed, skipped


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--unit", default="")
    parser.add_argument("--node", default="")
    parser.add_argument("--pytest", default="")
    options, rest = parser.parse_known_args()
    started = time.monotonic()
    passed, failed = run_units(options.unit.split())
    skipped = 0
    suites = [(run_node, place, (options.build,)) for place in options.node.split()]
    suites += [(run_pytest, place, (options.build, rest)) for place in options.pytest.split()]
    for run, place, arguments in suites:
        p, f, s = run(place, *arguments)
        passed, failed, skipped = passed + p, failed + f, skipped + s
    print(f"  {time.monotonic() - started:.0f} s" + (f", {skipped} skipped (named above)" if skipped else ""))
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
