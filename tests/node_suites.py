"""The suites that run in node.js: each against a real server of its own, which is held to a clean end like every other."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from suites import Outcome, Suite

SECONDS = 600
COMMANDS = {
    "clients/typescript": ["npm", "test", "--silent"],
    "web": ["npm", "test", "--silent"],
    "tests/e2e": ["node", "run.mjs"],
}
PACKAGE = "penny-wheel"  # in the server's own index
# node --test: "# pass 3" or, in its other form, "\u2139 pass 3". vitest: "Tests  1 failed | 2 passed | 1 skipped (4)".
NODE_COUNT = re.compile(r"^(?:#|\u2139) (pass|fail|cancelled|skipped) (\d+)$", re.MULTILINE)
VITEST_LINE = re.compile(r"^ *Tests  (.*)\(\d+\)$", re.MULTILINE)
VITEST_COUNT = re.compile(r"(\d+) (passed|failed|skipped)")
SKIPPED = re.compile(r"^(?:ok \d+ - .* # SKIP.*|\ufe63 .*)$", re.MULTILINE)


def counted(output):
    """What the runner's last words say. Returns (passed, failed, skipped)."""
    counts = {}
    for kind, number in NODE_COUNT.findall(output):
        counts[kind] = counts.get(kind, 0) + int(number)
    for line in VITEST_LINE.findall(output):
        for number, kind in VITEST_COUNT.findall(line):
            counts[kind] = counts.get(kind, 0) + int(number)
    passed = counts.get("pass", 0) + counts.get("passed", 0)
    failed = counts.get("fail", 0) + counts.get("cancelled", 0) + counts.get("failed", 0)
    return passed, failed, counts.get("skipped", 0)


def _run(place, base_url, log_path):
    """Runs the suite to its end. Returns (exit code or None when it had to be ended, output)."""
    env = dict(os.environ, PENNY_BASE_URL=base_url, PENNY_TEST_PACKAGE=PACKAGE, NO_COLOR="1")
    env.pop("FORCE_COLOR", None)
    with open(log_path, "wb") as log:
        runner = subprocess.Popen(COMMANDS[place], cwd=place, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            code = runner.wait(SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(runner.pid, signal.SIGKILL)
            runner.wait()
            code = None
    return code, Path(log_path).read_text(errors="replace") + (f"\nstill running after {SECONDS} s\n" if code is None else "")


def _run_with_server(place, results):
    """Returns the exit code (None: not ended by itself, or not cleanly) and the output."""
    from harness.index import Index
    from harness.policies import write_policies
    from harness.server import Server, ServerFailed  # reads PENNY_BUILD

    scratch = Path(tempfile.mkdtemp(prefix="penny-node-"))
    scratch.chmod(0o711)
    code, output = None, ""
    index = Index()
    index.add(PACKAGE, "1.0")
    try:
        policies = write_policies(scratch, packages={"packages": [{"name": PACKAGE, "versions": "", "category": "utility", "description": "A test", "reason": "a test"}]})
        with Server(scratch / "server", env={**index.env, "SANDBOX_POLICY_DIR": policies}) as server:
            code, output = _run(place, server.url, results / f"{place.replace('/', '-')}.log")
    except (AssertionError, ServerFailed) as unclean:
        code, output = None, f"{output}\n{unclean}"
    finally:
        index.close()
        shutil.rmtree(scratch, ignore_errors=True)
    return code, output


def _outcome(done):
    code, output = done
    passed, failed, skipped = counted(output)
    if failed == 0 and (code != 0 or passed == 0):
        failed = 1
        output += f"\nended with exit code {code} and {passed} tests passed"
    return Outcome(passed, failed, skipped, SKIPPED.findall(output), output)


def _run_apart(place, results):
    """In a process of its own, whose children and mounts are those of this suite alone."""
    done = subprocess.run([sys.executable, __file__, place, str(results)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    try:
        return json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        return None, f"ended with {done.returncode}:\n{done.stdout}"


def node_suite(place, results):
    return Suite("NODE", place, [lambda: _run_apart(place, results)], lambda values: _outcome(values[0]))


def main():
    from harness import processes

    place, results = sys.argv[1:]
    processes.become_subreaper()
    processes.take_own_mounts()
    print(json.dumps(_run_with_server(place, Path(results))))


if __name__ == "__main__":
    main()
