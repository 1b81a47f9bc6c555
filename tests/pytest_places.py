"""The places of Python tests. Each is one pytest, or several that share its files (harness/claims.py).

What a pytest reports is read from its JUnit file, so that errors in set-up and tear-down count too.
"""

import os
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path

from suites import Outcome, Suite

SECONDS = 780  # then no further test is begun (PENNY_TEST_SECONDS: on a machine with more to do)
HUNG_SECONDS = 180  # after that a pytest is ended: although each test has a time limit, it hangs
NOTHING_COLLECTED = 5  # pytest: every test was deselected by the arguments
SLOWEST = 3
LAST_LINES = 60
SHARED = {"tests/api": 2}  # by so many processes: these mostly wait
ALONE = {"tests/chaos"}


@dataclass
class Part:
    """One process of a place."""

    code: int = None  # None: it had to be ended
    log: str = ""
    cases: list = field(default_factory=list)  # (name, kinds of what is the matter with it, seconds)
    has_report: bool = False


def _read_cases(report):
    return [(f"{case.get('classname')}::{case.get('name')}", {child.tag for child in case}, float(case.get("time") or 0))
            for case in ET.parse(report).getroot().iter("testcase")]


def _run(place, results, claims, number, arguments):
    name = f"{Path(place).name}-{number}"
    report, log_path = results / f"{name}.xml", results / f"{name}.log"
    report.unlink(missing_ok=True)
    seconds = float(os.environ.get("PENNY_TEST_SECONDS", SECONDS))
    env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", PENNY_TEST_UNTIL=str(time.time() + seconds))
    if claims:
        env["PENNY_TEST_CLAIMS"] = str(claims.resolve())
    command = [sys.executable, "-m", "pytest", "-v", f"--junitxml={report}", *arguments, place]
    part = Part()
    with open(log_path, "wb") as log:
        try:
            part.code = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, timeout=seconds + HUNG_SECONDS).returncode
        except subprocess.TimeoutExpired:
            log.write(f"\nstill running after {seconds + HUNG_SECONDS:.0f} s\n".encode())
    part.log = log_path.read_text(errors="replace")
    part.has_report = report.exists()
    if part.has_report:
        part.cases = _read_cases(report)
    return part


def _told(log):
    """pytest's reports; where it did not get as far as that, what it did last."""
    reports = re.search(r"^=+ (?:ERRORS|FAILURES) =+$", log, re.MULTILINE)
    return log[reports.start():] if reports else "".join(log.splitlines(keepends=True)[-LAST_LINES:])


def _skips(parts):
    """pytest's lines about them; what several processes skipped for one reason is one line."""
    counts = {}
    for part in parts:
        for number, what in re.findall(r"^SKIPPED \[(\d+)\] (.*)$", part.log, re.MULTILINE):
            counts[what] = counts.get(what, 0) + int(number)
    return [f"SKIPPED [{number}] {what}" for what, number in counts.items()]


def _missed(claims, cases):
    """How many of the collected tests no process has reported."""
    collected = {int(path.read_text()) for path in claims.glob("*.collected")}
    return max(max(collected, default=0) - len(cases), len(collected) - 1, 0)


def _outcome(parts, claims):
    outcome = Outcome(notes=_skips(parts))
    cases = [case for part in parts for case in part.cases]
    for part in parts:
        failed = sum(1 for _, kinds, _ in part.cases if kinds & {"failure", "error"})
        if failed == 0 and (not part.has_report or part.code not in (0, NOTHING_COLLECTED)):
            failed = 1
            part.log += f"\npytest ended with exit code {part.code}\n"
        if failed:
            outcome.output += _told(part.log)
        outcome.failed += failed
    outcome.skipped = sum(1 for _, kinds, _ in cases if kinds == {"skipped"})
    outcome.passed = sum(1 for _, kinds, _ in cases if not kinds)
    missed = _missed(claims, cases) if claims else 0
    if missed:
        outcome.failed += missed
        outcome.output += f"\n{missed} of the collected tests were not run\n"
    slowest = sorted(((seconds, name) for name, _, seconds in cases), reverse=True)[:SLOWEST]
    outcome.notes += [f"{seconds:5.1f} s {name}" for seconds, name in slowest]
    return outcome


def pytest_suite(place, results, arguments):
    processes = SHARED.get(place, 1)
    claims = results / f"{Path(place).name}-claims" if processes > 1 else None
    if claims:
        shutil.rmtree(claims, ignore_errors=True)
        claims.mkdir()
    parts = [lambda number=n: _run(place, results, claims, number, arguments) for n in range(1, processes + 1)]
    return Suite("PYTEST", place, parts, lambda values: _outcome(values, claims), is_alone=place in ALONE)
