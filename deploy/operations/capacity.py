#!/usr/bin/env python3
"""How many sessions a machine holds: by figures measured on a service of yours.

usage: capacity.py measure [--url http://127.0.0.1:3003] [--key KEY] [--sessions 20]
       capacity.py plan --memory 16G [--reserve 1G] --idle 1.3 --used 9 [--share-used 0.3]      megabytes a session, as `measure` says

measure makes sessions of three kinds, reads how the machine's memory changed, deletes them; do it on a quiet machine, as the service's host.
"""

import argparse
import json
import sys
import urllib.request

CELLS = {"idle": None, "used": "import pandas as pd\ndf = pd.DataFrame({'a': range(1000)})\ndf.describe()",
         "plot": "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3])\nplt.show()"}


def call(options, method, path, body=None):
    request = urllib.request.Request(options.url + path, method=method, data=json.dumps(body or {}).encode() if method == "POST" else None,
                                     headers={"Content-Type": "application/json", **({"X-API-Key": options.key} if options.key else {})})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.loads(answer.read() or b"{}")


def used_kb():
    """What processes and the kernel for them hold. Page cache is not part of it."""
    with open("/proc/meminfo") as info:
        fields = dict(line.split(":") for line in info)
    return sum(int(fields[name].split()[0]) for name in ("AnonPages", "Shmem", "PageTables", "KernelStack", "Slab"))


def settled(options):
    """The pool is full again."""
    import time
    ready = -1
    for _ in range(600):
        with urllib.request.urlopen(urllib.request.Request(options.url + "/metrics", headers={"X-API-Key": options.key} if options.key else {}), timeout=30) as answer:
            values = dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if not line.startswith("#"))
        ready = float(values["penny_pool_ready"])
        if ready >= float(values["penny_pool_target"]):
            return
        time.sleep(0.1)
    raise SystemExit(f"the warm pool does not fill up: {ready:.0f} ready")


def measure(options):
    for kind, code in CELLS.items():
        settled(options)
        before, made = used_kb(), []
        try:
            for _ in range(options.sessions):
                made.append(call(options, "POST", "/api/v1/sessions")["id"])
                if code:
                    result = call(options, "POST", "/api/v1/execute", {"sessionId": made[-1], "code": code})
                    assert result["status"] == "ok", result
            settled(options)
            print(f"{kind:>6}: {(used_kb() - before) / 1024 / options.sessions:6.2f} MB a session")
        finally:
            for session in made:
                call(options, "DELETE", f"/api/v1/sessions/{session}")


def size(text):
    return float(text[:-1]) * {"M": 1, "G": 1024, "T": 1024 * 1024}[text[-1].upper()]


def plan(options):
    free = size(options.memory) - size(options.reserve)
    mean = options.idle * (1 - options.share_used) + options.used * options.share_used
    print(f"{int(free / mean)} sessions: {free:.0f} MB for {mean:.2f} MB each; MAX_CONCURRENT_SESSIONS at most that")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("measure")
    one.add_argument("--url", default="http://127.0.0.1:3003")
    one.add_argument("--key")
    one.add_argument("--sessions", type=int, default=20)
    two = commands.add_parser("plan")
    two.add_argument("--memory", required=True)
    two.add_argument("--reserve", default="1G")
    two.add_argument("--idle", type=float, required=True)
    two.add_argument("--used", type=float, required=True)
    two.add_argument("--share-used", type=float, default=0.3)
    options = parser.parse_args()
    measure(options) if options.command == "measure" else plan(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
