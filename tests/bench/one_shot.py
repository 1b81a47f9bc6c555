"""A fresh interpreter for each request: bare, in bubblewrap's jail, in a runc container. None of them keeps a session."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

from harness import BUILD

import cells
from crowd import at_once
from measure import memory_bytes, middle, summary, timed

VENV = BUILD / "venv-bench"
PYTHON = str(VENV / "bin/python")
CONFIG = str(VENV / "share/penny/matplotlib")
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "MPLBACKEND": "agg", "MPLCONFIGDIR": CONFIG, "HOME": "/tmp", "OPENBLAS_NUM_THREADS": "1"}
LINKS = ("bin", "sbin", "lib", "lib64")


class Absent(Exception):
    """It can't be measured here, and why."""


class Bare:
    name, note = "python3 -c", "a process for each request, no jail"

    def __init__(self, workplace):
        self.workplace = Path(workplace) / type(self).__name__.lower()
        self.workplace.mkdir()

    @classmethod
    def why_absent(cls):
        """Why it can't be measured here; None when it can."""
        return None

    def command(self, code):
        return [PYTHON, "-c", code]


class Bubblewrap(Bare):
    name, note = "bubblewrap", "a jail and a process for each request"

    @classmethod
    def why_absent(cls):
        return None if shutil.which("bwrap") else "bwrap is not installed (Debian's package bubblewrap)"

    def command(self, code):
        links = [part for name in LINKS if Path("/", name).is_symlink() for part in ("--symlink", f"usr/{name}", f"/{name}")]
        return ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--ro-bind", "/usr", "/usr", *links, "--proc", "/proc",
                "--dev", "/dev", "--tmpfs", "/tmp", "--ro-bind", str(VENV.resolve()), str(VENV), PYTHON, "-c", code]


class Runc(Bare):
    name, note = "runc", "a container for each request; its root filesystem is read-only binds, no image is unpacked"
    made = 0

    @classmethod
    def why_absent(cls):
        if os.geteuid() != 0:
            return "a container's read-only binds need root"
        return None if shutil.which("runc") else "runc is not installed (Debian's package runc)"

    def __init__(self, workplace):
        super().__init__(workplace)
        root = self.workplace / "rootfs"
        root.mkdir()
        for name in LINKS:
            if Path("/", name).is_symlink():
                os.symlink(f"usr/{name}", root / name)
        (root / "tmp").mkdir()
        subprocess.run(["runc", "spec"], cwd=self.workplace, check=True, stdout=subprocess.DEVNULL)
        self.config = json.loads((self.workplace / "config.json").read_text())
        self.config["root"] = {"path": str(root), "readonly": True}
        # Where version 1 and version 2 of control groups are mixed, runc can't show the container its own: it goes without that view.
        self.config["mounts"] = [m for m in self.config["mounts"] if m["type"] not in ("cgroup", "sysfs")] + [
            {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "size=64m"]},
            *({"destination": str(at), "type": "none", "source": str(at.resolve()), "options": ["rbind", "ro"]} for at in (Path("/usr"), VENV))]
        (root / "usr").mkdir()
        VENV_IN = root / str(VENV).lstrip("/")
        VENV_IN.mkdir(parents=True)
        self.config["process"].update(terminal=False, noNewPrivileges=True, env=[f"{k}={v}" for k, v in ENVIRONMENT.items()])

    def command(self, code):
        Runc.made += 1
        bundle = self.workplace / str(Runc.made)
        bundle.mkdir()
        self.config["process"]["args"] = [PYTHON, "-c", code]
        (bundle / "config.json").write_text(json.dumps(self.config))
        return ["runc", "--root", str(self.workplace / "state"), "run", "--bundle", str(bundle), f"penny-bench-{os.getpid()}-{Runc.made}"]


def _answer(kind, cell):
    command = kind.command(cells.ONE_SHOT[cell])
    took, done = timed(subprocess.run, command, stdin=subprocess.DEVNULL, capture_output=True, env=ENVIRONMENT, timeout=60)
    if done.returncode != 0:
        raise Absent(f"it does not run here: {done.stderr.decode(errors='replace').strip()[-300:]}")
    cells.check(cell, done.stdout.decode(errors="replace"), done.stdout.startswith(b"\x89PNG"))
    return took


def _memory(kind, count):
    """Interpreters that wait with the libraries imported, as sessions would be if one were kept so."""
    before = memory_bytes()
    waiting = [subprocess.Popen(kind.command(cells.IDLE), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ENVIRONMENT) for _ in range(count)]
    try:
        for process in waiting:
            if process.stdout.readline() != b"ready\n":
                raise Absent("an interpreter did not start")
        return (memory_bytes() - before) / count
    finally:
        for process in waiting:
            process.stdin.close()
            process.wait(30)
            process.stdout.close()


def _lines(kind):
    """Lines a second of a program's output, as they come out of the pipe."""
    start = time.perf_counter()
    with subprocess.Popen(kind.command(cells.MANY_LINES), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=ENVIRONMENT) as process:
        lines = sum(block.count(b"\n") for block in iter(lambda: process.stdout.read1(1 << 16), b""))
    assert lines == cells.LINES, f"{kind.name}: {lines} lines"
    return lines / (time.perf_counter() - start)


class Request:
    """A program that runs, to be begun and waited for."""

    def __init__(self, kind):
        self.kind = kind

    def begin(self, code):
        self.process = subprocess.Popen(self.kind.command(code), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ENVIRONMENT)

    def finish(self):
        cells.check(cells.PRINT, self.process.communicate(timeout=60)[0].decode())


def _crowd(kind, count, rounds):
    return {"sessions": count, "bytes_each": _memory(kind, count), "at_once": at_once([Request(kind) for _ in range(count)], cells.CODE[cells.PRINT], max(2, rounds // count))}


def measure(kind_class, workplace, scale, steps):
    kind = kind_class(workplace)
    rounds = {cells.PRINT: scale(20), cells.INCREMENT: scale(20), cells.DESCRIBE: scale(7), cells.PLOT: scale(5)}
    _answer(kind, cells.PLOT)  # the files are in the cache
    fresh = {cell: summary(_answer(kind, cell) for _ in range(n)) for cell, n in rounds.items()}
    crowd = [_crowd(kind, count, scale(48)) for count in steps]
    return {"name": kind.name, "note": kind.note, "fresh": fresh, "crowd": crowd, "memory_bytes": crowd[-1]["bytes_each"],
            "lines_per_second": middle([_lines(kind) for _ in range(3)])}


KINDS = {"python": Bare, "bubblewrap": Bubblewrap, "runc": Runc}
