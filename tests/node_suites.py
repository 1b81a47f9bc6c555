"""The suites that run in node.js: each against a real server of its own, which is held to a clean end like every other."""

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

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
        try:
            code = subprocess.run(COMMANDS[place], cwd=place, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, timeout=SECONDS).returncode
        except subprocess.TimeoutExpired:
            code = None
    return code, Path(log_path).read_text(errors="replace")


def run_node(place, build):
    """Returns (passed, failed, skipped) of one suite."""
    os.environ.setdefault("PENNY_BUILD", str(Path(build).resolve()))
    from harness.index import Index
    from harness.policies import write_policies
    from harness.server import Server, ServerFailed  # reads PENNY_BUILD

    results = Path(build) / "results"
    results.mkdir(parents=True, exist_ok=True)
    log_path = results / f"{place.replace('/', '-')}.log"
    scratch = Path(tempfile.mkdtemp(prefix="penny-node-"))
    started = time.monotonic()
    code, output = None, ""
    index = Index()
    index.add(PACKAGE, "1.0")
    try:
        policies = write_policies(scratch, packages={"packages": [{"name": PACKAGE, "versions": "", "category": "utility", "description": "A test", "reason": "a test"}]})
        with Server(scratch / "server", env={**index.env, "SANDBOX_POLICY_DIR": policies}) as server:
            code, output = _run(place, server.url, log_path)
    except (AssertionError, ServerFailed) as unclean:
        code, output = None, f"{output}\n{unclean}"
    finally:
        index.close()
        shutil.rmtree(scratch, ignore_errors=True)
    passed, failed, skipped = counted(output)
    if failed == 0 and (code != 0 or passed == 0):
        failed = 1
        output += f"\nended with exit code {code} and {passed} tests passed"
    words = f"{passed} passed" + (f", {skipped} skipped" if skipped else "") + (f", {failed} FAILED" if failed else "")
    print(f"  {'NODE':8} {place}: {words} in {time.monotonic() - started:.0f} s", flush=True)
    for line in SKIPPED.findall(output):
        print(f"           {line}", flush=True)
    if failed:
        print(output, flush=True)
    return passed, failed, skipped
