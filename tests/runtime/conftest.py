"""A worker without a zygote: drive.c is built against the host's files, started once per profile, and forks a worker per test."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import wire  # noqa: E402

from harness import processes, until  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("PENNY_BUILD", ROOT / "build"))
PYTHON = os.environ.get("PENNY_TEST_PYTHON", str(BUILD / "venv" / "bin" / "python"))
PRELOAD = ["numpy", "pandas", "matplotlib", "matplotlib.pyplot", "IPython"]


def newest(paths):
    return max(p.stat().st_mtime for p in paths)


def build_drive():
    """Compiles drive.c with the host, when a source is newer than the program."""
    runtime = ROOT / "runtime"
    sources = [*sorted(runtime.glob("host*.c")), *(runtime / f for f in ("shared/err.c", "shared/fdio.c", "clone.c")), ROOT / "tests/runtime/drive.c"]
    program = BUILD / "runtime" / "drive"
    if program.exists() and program.stat().st_mtime > newest([*sources, *runtime.glob("host*.h"), *(runtime / "shared").glob("*.h")]):
        return program
    program.parent.mkdir(parents=True, exist_ok=True)
    base = Path(PYTHON).resolve()
    config = [str(base.with_name(base.name + "-config"))]

    def flags(*wanted):
        return subprocess.run([*config, *wanted], check=True, capture_output=True, text=True).stdout.split()

    compiler = os.environ.get("CC", "cc")
    subprocess.run(
        [compiler, "-std=c17", "-D_GNU_SOURCE=", "-O2", "-g", "-Wall", "-Wextra", "-Werror", *flags("--includes"), f"-I{runtime}",
         f"-I{runtime / 'shared'}", "-o", str(program), *map(str, sources), *flags("--ldflags", "--embed")],
        check=True,
    )
    return program


@pytest.fixture(scope="session")
def drive_program():
    return build_drive()


@pytest.fixture(scope="session")
def make_drive(drive_program, tmp_path_factory):
    made = []

    def make(profile="open", preload=PRELOAD, imports=ROOT / "policies" / "imports.json", library=ROOT / "runtime" / "python"):
        place = tmp_path_factory.mktemp("drive")
        for name in ("workspace", "matplotlib"):
            (place / name).mkdir()
        env = {
            "PATH": f"{Path(PYTHON).parent}:/usr/bin:/bin",
            "HOME": str(place / "workspace"),
            "LANG": "C.UTF-8",
            "TMPDIR": "/tmp",
            "MPLBACKEND": "agg",
            "MPLCONFIGDIR": str(place / "matplotlib"),
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
        }
        drive = wire.Drive(str(drive_program), PYTHON, str(library), str(imports), profile, preload, env, place / "workspace")
        drive.workspace = place / "workspace"
        made.append(drive)
        return drive

    yield make
    for drive in made:
        drive.close()
    _end_what_is_left()


@pytest.fixture(scope="session")
def drive(make_drive):
    return make_drive("open")


@pytest.fixture(scope="session")
def standard_drive(make_drive):
    return make_drive("standard")


def _end_what_is_left():
    """By workers, and these: in a session their init does it. Each that dies leaves its children to us."""
    def left():
        pids = processes.adopted(())
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return pids

    until(lambda: not left(), "all that the workers have started ends")


def _worker(drive):
    worker = drive.fork()
    yield worker
    worker.close()


@pytest.fixture
def worker(drive):
    """A worker in the open profile."""
    yield from _worker(drive)


@pytest.fixture
def standard(standard_drive):
    """A worker in the standard profile."""
    yield from _worker(standard_drive)
