"""The machine that a run was made on, and what else went on there."""

import os
import platform
import subprocess
import sys
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from harness import ROOT


def _first(path, start, fallback):
    for line in Path(path).read_text().splitlines():
        if line.startswith(start):
            return line.split(":", 1)[1].strip()
    return fallback


def _says(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, cwd=ROOT)
        return done.stdout.strip().splitlines()[0] if done.returncode == 0 and done.stdout.strip() else None
    except OSError:
        return None


def _system():
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return release.get("PRETTY_NAME", platform.system()).strip('"')


def describe():
    return {
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "cpu": _first("/proc/cpuinfo", "model name", platform.machine()),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": int(_first("/proc/meminfo", "MemTotal", "0 kB").split()[0]) * 1024,
        "virtual": "hypervisor" in _first("/proc/cpuinfo", "flags", ""),
        "system": _system(),
        "kernel": platform.release(),
        "load_before": [round(n, 2) for n in os.getloadavg()],
        "versions": {"commit": _says("git", "rev-parse", "--short", "HEAD"), "python": platform.python_version(),
                     **{name: version(name) for name in ("numpy", "pandas", "matplotlib")}, "gcc": _says("gcc", "-dumpfullversion")},
        "interpreter": sys.executable.replace(str(ROOT) + "/", ""),
    }
