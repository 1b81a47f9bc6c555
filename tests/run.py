"""Runs the suites that `make test` names, several at a time, and prints, as the last line, how many tests passed and failed in all of them.

A suite's result is one line when it has ended, below it what was skipped and what was slow; its failures are printed whole at the end. Full
logs and reports are in <build>/results.
"""

import argparse
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from node_suites import node_suite
from pytest_places import pytest_suite
from suites import Outcome, say, words
from unit_suites import unit_suite

LINGERING_SECONDS = 30


def run_together(suites, width):
    """Runs the parts of all of them, so many at a time and the first ones first. Returns [(suite, outcome)] as they ended."""
    outcomes, values, futures = [], {id(suite): {} for suite in suites}, {}
    started = time.monotonic()
    with ThreadPoolExecutor(max_workers=width) as pool:
        for suite in suites:
            for number, part in enumerate(suite.parts):
                futures[pool.submit(part)] = (suite, number)
        for future in as_completed(futures):
            suite, number = futures[future]
            known = values[id(suite)]
            known[number] = future.result()
            if len(known) < len(suite.parts):
                continue
            outcome = suite.outcome([known[n] for n in sorted(known)])
            say(suite.kind, f"{suite.name}: {words(outcome)} (at {time.monotonic() - started:.0f} s)", outcome.notes)
            outcomes.append((suite, outcome))
    return outcomes


def left_behind(processes):
    """What the suites' processes did not end: none may be there. Ends it."""
    deadline = time.monotonic() + LINGERING_SECONDS
    while processes.adopted(()) and time.monotonic() < deadline:
        time.sleep(0.05)
    left = {pid: processes.command(pid) for pid in processes.adopted(())}
    for pid in left:
        for one in [pid, *processes.descendants(pid)]:
            try:
                os.kill(one, signal.SIGKILL)
            except ProcessLookupError:
                pass
    return left


def report(outcomes, left, started):
    """The failures, then the sums. Returns the exit code."""
    total = Outcome(failed=len(left))
    for suite, outcome in outcomes:
        total.passed, total.failed, total.skipped = total.passed + outcome.passed, total.failed + outcome.failed, total.skipped + outcome.skipped
        if outcome.failed:
            print(f"\n==== {suite.kind} {suite.name}: {outcome.failed} FAILED\n{outcome.output}", flush=True)
    for pid, command in left.items():
        print(f"\n==== process {pid} was left behind by the tests: {command}", flush=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    skipped = f"; {total.skipped} skipped (named above)" if total.skipped else ""
    print(f"  {time.monotonic() - started:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of the processors{skipped}")
    print(f"{total.passed} passed, {total.failed} failed", flush=True)
    return 1 if total.failed or not total.passed else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--unit", default="")
    parser.add_argument("--node", default="")
    parser.add_argument("--pytest", default="")
    parser.add_argument("--width", type=int, default=(os.cpu_count() or 1) + 1, help="how many run at a time")
    options, rest = parser.parse_known_args()
    started = time.monotonic()
    build = Path(options.build).resolve()
    results = build / "results"
    results.mkdir(parents=True, exist_ok=True)
    tree = tempfile.mkdtemp(prefix="penny-test-tree-")  # see harness/server.py
    os.chmod(tree, 0o755)
    os.environ.update(PENNY_BUILD=str(build), PENNY_TEST_TREE=tree)
    from harness import processes  # reads PENNY_BUILD

    processes.become_subreaper()
    suites = [node_suite(place, results) for place in options.node.split()]
    suites += [pytest_suite(place, results, rest) for place in options.pytest.split()]
    suites += [unit_suite(options.unit.split())] if options.unit else []
    suites.sort(key=lambda suite: -len(suite.parts))  # what was divided is what takes longest
    try:
        outcomes = run_together([suite for suite in suites if not suite.is_alone], options.width)
        outcomes += run_together([suite for suite in suites if suite.is_alone], 1)
        left = left_behind(processes)
    finally:
        shutil.rmtree(tree, ignore_errors=True)
    return report(outcomes, left, started)


if __name__ == "__main__":
    sys.exit(main())
