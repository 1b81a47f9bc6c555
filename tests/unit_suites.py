"""The cmocka binaries, one after the other. Each speaks for itself through cmocka's summary; one that dies, hangs or runs nothing counts as
one failure."""

import re
import subprocess
from pathlib import Path

from suites import Outcome, Suite, say, words

SECONDS = 120


def _run(program):
    try:
        done = subprocess.run([program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS)
        output, code = done.stdout.decode(errors="replace"), done.returncode
    except subprocess.TimeoutExpired as late:
        output, code = (late.stdout or b"").decode(errors="replace") + f"\nstill running after {SECONDS} s", None
    passed = sum(int(n) for n in re.findall(r"\[  PASSED  \] (\d+) test", output))
    failed = sum(int(n) for n in re.findall(r"\[=+\] (\d+) test\(s\) run", output)) - passed
    if failed <= 0 and (code != 0 or passed == 0):
        failed = 1
        output += f"\nended with exit code {code} and {passed} tests passed"
    return Outcome(passed, failed, output=output)


def _run_all(programs):
    total = Outcome()
    for program in programs:
        one = _run(program)
        name = "/".join(Path(program).parts[-2:])
        say("UNIT", f"{name}: {words(one)}")
        total.passed += one.passed
        total.failed += one.failed
        if one.failed:
            total.output += f"---- {name}\n{one.output}\n"
    return total


def unit_suite(programs):
    return Suite("UNIT", f"{len(programs)} programs", [lambda: _run_all(programs)], lambda values: values[0])
