"""The limits of the machine: what the service would take if it were nothing but the kernel's work, or libevhtp's."""

import subprocess

from harness import free_port

from measure import CONNECTIONS, LIMITS, PING, load, middle, run, summary


def _stream(rounds=3):
    us, size, lines = middle([tuple(map(float, run(LIMITS, "stream", "1000000").split())) for _ in range(rounds)])
    return {"lines_per_second": lines / us * 1e6, "bytes_per_second": size / us * 1e6}


def _ping(count):
    """Bare libevhtp, over as many connections as the service has."""
    port = free_port()
    found = []
    with subprocess.Popen([PING, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as ping:
        assert ping.stdout.readline() == b"ready\n", "the bare server did not start"
        for connections in CONNECTIONS:
            times, _, seconds, refused = load(port, ['POST /ping {"code":"x += 1"}'], count, connections)
            assert not refused, refused
            found.append({"connections": connections, **summary(times), "per_second": len(times) / seconds})
        ping.stdin.close()
    return {"ping": found, **{f"ping_{p['connections']}": p for p in found if p["connections"] in (1, 16)}}


def measure(scale):
    return {"fork": summary(map(float, run(LIMITS, "fork", str(scale(3000))).split())),
            "pipe": summary(map(float, run(LIMITS, "pipe", str(scale(50000))).split())),
            "stream": _stream(), **_ping(scale(20000))}
