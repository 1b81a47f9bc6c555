"""The machine's own part in how fast one of many sessions answers: as many bare forks of an interpreter that has the same libraries imported, each with two
pipes and nothing else: no server, no jail, no HTTP. One after the other runs `x += 1`. A process that ran long ago finds neither its memory in the caches nor its
page tables in the TLB, whatever it belongs to.

usage: forks.py COUNT,COUNT,...      prints a line of JSON for each count, until memory is short
"""

import gc
import json
import os
import resource
import sys
import time
from pathlib import Path

import matplotlib.pyplot  # noqa: F401
import numpy  # noqa: F401
import pandas  # noqa: F401

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from measure import summary  # noqa: E402

SAMPLE, CELLS, WARM, LEAST_FREE_KB = 500, 2000, 2, 3 << 20


def _serve(read_fd, write_fd):
    names = {"x": 0}
    while code := os.read(read_fd, 4096):
        exec(compile(code, "<cell>", "exec"), names)
        os.write(write_fd, b"ok")
    os._exit(0)


def _fork(others):
    there, back = os.pipe(), os.pipe()
    if os.fork() == 0:
        for fd in (there[1], back[0]):
            os.close(fd)
        _serve(there[0], back[1])
    os.close(there[0])
    os.close(back[1])
    others.append((there[1], back[0]))


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


def main(counts):
    forks = []
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.collect()
    gc.freeze()
    for count in counts:
        while len(forks) < count and len(forks) * 2 + 64 < most and _free_kb() > LEAST_FREE_KB:
            _fork(forks)
        if len(forks) < count:
            return
        sample = forks[:: max(1, count // SAMPLE)][:SAMPLE]
        _cells(sample, WARM * len(sample))
        print(json.dumps({"forks": count, "increment": summary(_cells(sample, CELLS))}), flush=True)


if __name__ == "__main__":
    main(list(map(int, sys.argv[1].split(","))))
    os._exit(0)  # the forks see their pipes end
