"""The machine's own part in how fast one of many sessions answers: as many bare forks of an interpreter that has the same libraries imported, each with two
pipes and nothing else: no server, no jail, no HTTP. One after the other runs `x += 1`. A process that ran long ago finds neither its memory in the caches nor its
page tables in the TLB, whatever it belongs to.

usage: forks.py COUNT,COUNT,... SECONDS      prints a line of JSON for each count, until memory is short or the time is over
"""

import gc
import json
import os
import resource
import socket
import sys
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in a session

import matplotlib.pyplot  # noqa: E402, F401
import numpy  # noqa: E402, F401
import pandas  # noqa: E402, F401

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from measure import SAMPLE, memory_bytes, summary  # noqa: E402

CELLS, WARM, LEAST_FREE_KB = 2000, 2, 3 << 20


def _serve(read_fd, write_fd):
    names = {"x": 0}
    while code := os.read(read_fd, 4096):
        exec(compile(code, "<cell>", "exec"), names)
        os.write(write_fd, b"ok")
    os._exit(0)


def _make_forks(wishes):
    """Forks one for each byte that comes, and sends back the other ends of its pipes; keeps none, so that no fork inherits those of others."""
    while wishes.recv(1):
        there, back = os.pipe(), os.pipe()
        if os.fork() == 0:
            for fd in (there[1], back[0], wishes.fileno()):
                os.close(fd)
            _serve(there[0], back[1])
        socket.send_fds(wishes, [b"."], [there[1], back[0]])
        for fd in (*there, *back):
            os.close(fd)
    try:
        while True:
            os.wait()
    except ChildProcessError:
        os._exit(0)


def _maker():
    """(its process, the socket to it)"""
    ours, its = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _make_forks(its)
    its.close()
    return pid, ours


def _add(forks, maker):
    """False when there can't be one more."""
    maker.send(b".")
    ends = socket.recv_fds(maker, 1, 2)[1]
    if len(ends) == 2:
        forks.append(ends)
    return len(ends) == 2


def _cells(forks, count):
    """Microseconds of each."""
    times, now = [], time.perf_counter
    for n in range(count):
        write_fd, read_fd = forks[n % len(forks)]
        start = now()
        os.write(write_fd, b"x += 1")
        os.read(read_fd, 16)
        times.append((now() - start) * 1e6)
    return times


def _free_kb():
    return next(int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable"))


def _measure(forks, counts, maker, most, end):
    before = memory_bytes()
    for count in counts:
        while len(forks) < count and len(forks) * 2 + 64 < most and _free_kb() > LEAST_FREE_KB and time.monotonic() < end:
            if not _add(forks, maker):
                return
        if len(forks) < count:
            return
        sample = forks[:: max(1, count // SAMPLE)][:SAMPLE]
        for fork in (forks, sample):
            _cells(fork, WARM * len(fork))
        print(json.dumps({"forks": count, "bytes_each": (memory_bytes() - before) / count, "increment": summary(_cells(sample, CELLS))}), flush=True)


def main(counts, seconds):
    forks, end = [], time.monotonic() + seconds
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.collect()
    gc.freeze()
    pid, maker = _maker()
    try:
        _measure(forks, counts, maker, most, end)
    finally:
        maker.close()
        for fd in (fd for fork in forks for fd in fork):
            os.close(fd)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main(list(map(int, sys.argv[1].split(","))), float(sys.argv[2]))
