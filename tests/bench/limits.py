"""The limits of the machine: what the service would take if it were nothing but the kernel's work, or libevhtp's."""

import subprocess

from harness import free_port

from measure import LIMITS, PING, load, run, summary


def _stream(rounds=3):
    best = min((tuple(map(float, run(LIMITS, "stream", "1000000").split())) for _ in range(rounds)))
    return {"lines_per_second": best[2] / best[0] * 1e6, "bytes_per_second": best[1] / best[0] * 1e6}


def _ping(count):
    """Bare libevhtp, over one connection and over 16."""
    port = free_port()
    found = {}
    with subprocess.Popen([PING, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as ping:
        assert ping.stdout.readline() == b"ready\n", "the bare server did not start"
        for connections in (1, 16):
            times, _, seconds, refused = load(port, ['POST /ping {"code":"x += 1"}'], count, connections)
            assert not refused, refused
            found[f"ping_{connections}"] = {**summary(times), "per_second": len(times) / seconds}
        ping.stdin.close()
    return found


def measure(scale):
    return {"fork": summary(map(float, run(LIMITS, "fork", str(scale(3000))).split())),
            "pipe": summary(map(float, run(LIMITS, "pipe", str(scale(50000))).split())),
            "stream": _stream(), **_ping(scale(20000))}
