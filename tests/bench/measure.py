"""What all measurements are made with: a clock with an end, summaries, memory, and the programs in C that cost next to nothing."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import BUILD, until

CLIENT, LIMITS, PING = (str(BUILD / "bench" / name) for name in ("client", "limits", "ping"))
CONNECTIONS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SAMPLE = 500  # of many sessions, those in which cells run by turns
MEMORY = ("AnonPages", "PageTables", "Slab", "KernelStack", "Shmem")


class Clock:
    """How much of the run's time is left."""

    def __init__(self, seconds):
        self.start, self.seconds = time.monotonic(), seconds

    @property
    def used(self):
        return time.monotonic() - self.start

    @property
    def left(self):
        return self.seconds - self.used


class Refused(Exception):
    """The service answered something else than 2xx."""


def say(what):
    print(f"  {'BENCH':8} {what}", file=sys.stderr, flush=True)


def summary(values_us):
    values = sorted(values_us)
    return {"n": len(values), "p50_us": statistics.median(values), "p99_us": values[min(len(values) - 1, int(len(values) * 0.99))]}


def middle(values):
    """The median, as one of them."""
    return sorted(values)[len(values) // 2]


def timed(function, *arguments, **named):
    """Returns (microseconds, what it returned)."""
    start = time.perf_counter()
    result = function(*arguments, **named)
    return (time.perf_counter() - start) * 1e6, result


def run(*command, seconds=300):
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    if done.returncode != 0:
        raise Refused(f"{Path(command[0]).name} {command[1]}: {done.stderr.strip()[-400:]}")
    return done.stdout


def load(port, requests, count, connections):
    """Requests ("METHOD PATH BODY" each) over keep-alive connections. Returns (microseconds of each, ids of what was made, seconds, refusal or None)."""
    with tempfile.NamedTemporaryFile("w", prefix="penny-bench-") as file:
        file.write("".join(line + "\n" for line in requests))
        file.flush()
        done = subprocess.run([CLIENT, "load", str(port), str(count), str(connections), file.name], capture_output=True, text=True, timeout=300)
    if done.returncode not in (0, 3):
        raise Refused(done.stderr.strip()[-400:])
    *lines, last = done.stdout.splitlines()
    fields = [line.split() for line in lines]
    refused = done.stderr.rpartition("\n\n")[2].strip()[:300] if done.returncode else None  # the answer's body
    return [float(f[0]) for f in fields], [f[1] for f in fields if len(f) > 1], float(last.split()[1]), refused


def memory_bytes():
    """What all processes and the kernel hold for them, without caches."""
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return sum(int(fields[name].split()[0]) * 1024 for name in MEMORY)


def _image_bytes(pid):
    """What the file takes that a zygote's memory has become, looked at or not; 0 without one."""
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        if "/memfd:penny-image" in line:
            return Path(f"/proc/{pid}/map_files/{line.split()[0]}").stat().st_blocks * 512
    return 0


def resident_bytes(pid):
    """Memory of one process that is its own or shared memory, without files mapped but a zygote's image."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    own, shared = (int(fields[name].split()[0]) * 1024 for name in ("RssAnon", "RssShmem"))
    return own + max(shared, _image_bytes(pid))


def small_kilobytes():
    """The kernel's objects of 1 KB that are charged to nobody: among them what each memory group has for file systems (shrinker_info), one for every 64."""
    lines = [line.split() for line in Path("/proc/slabinfo").read_text().splitlines()]
    return sum(int(line[1]) for line in lines if line[0] == "kmalloc-1k" or (line[0].startswith("kmalloc-rnd-") and line[0].endswith("-1k")))


def run_us(pid):
    """Processor time of one process so far, in microseconds; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e3
    except (FileNotFoundError, ProcessLookupError):
        return 0


class Spent:
    """Processor time of this process and of all that it starts, dead or alive: by a control group of their own (version 1, root), else the whole machine's."""

    def __enter__(self):
        self.place = None
        for _, names, path in (line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()):
            if "cpuacct" in names.split(","):
                self._enter(Path(f"/sys/fs/cgroup/cpuacct{path}"))
        return self

    def _enter(self, home):
        place = home / f"penny-bench-{os.getpid()}"
        try:
            place.mkdir()
            self._move(place)
            self.place = place
        except OSError:
            pass  # not root, or not mounted here: the whole machine's it is

    def _move(self, place):
        (place / "cgroup.procs").write_text(str(os.getpid()))

    def us(self):
        if self.place:
            return int((self.place / "cpuacct.usage").read_text()) / 1e3
        user, nice, system, _, _, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8])
        return (user + nice + system + irq + softirq) * 1e6 / os.sysconf("SC_CLK_TCK")

    def __exit__(self, *_):
        if self.place:
            self._move(self.place.parent)
            until(self._is_removed, "the group of what was started can be removed", 20)

    def _is_removed(self):
        try:
            self.place.rmdir()
        except OSError:  # who has ended is not out of it yet
            return False
        return True


def huge_bytes(pid):
    """What a process has in huge pages: a fork copies far fewer entries for it."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it is gone
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("AnonHugePages"))
