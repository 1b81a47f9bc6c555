"""Two workers of one zygote share nothing that must differ."""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RANDOM = """
import os, random, uuid, tempfile, secrets
import numpy as np
print(random.random(), random.Random().random())
print(np.random.rand(), np.random.default_rng().random(), np.random.RandomState().rand())
print(uuid.uuid4(), uuid.uuid1(), secrets.token_hex())
print(os.path.basename(tempfile.mktemp()))
"""


def test_random_state_differs(drive):
    seen = set()
    for _ in range(4):
        worker = drive.fork()
        words = worker.run(RANDOM).stdout.split()
        assert len(words) == 9 and not seen & set(words)
        seen |= set(words)
        worker.close()


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('sympy').core.random.rng.random()",
        "__import__('multiprocessing').process.current_process().authkey",
        "__import__('sklearn.utils', fromlist='x').check_random_state(None).rand()",
        "__import__('pandas').Series(range(10**6)).sample(1).item()",
        "__import__('hashlib').sha256(__import__('ssl').RAND_bytes(16)).hexdigest()",
        "__import__('scipy.stats', fromlist='x').norm.rvs()",
    ],
)
def test_libraries_differ(drive, expression):
    seen = set()
    for _ in range(2):
        worker = drive.fork()
        seen.add(worker.run(f"print({expression})").stdout)
        worker.close()
    assert len(seen) == 2


def test_random_state_of_preloaded_libraries(make_drive):
    drive = make_drive(preload=["numpy", "sympy", "sklearn", "IPython"])
    seen = set()
    for _ in range(2):
        worker = drive.fork()
        seen.add(worker.run("import sympy\nprint(sympy.core.random.rng.random())").stdout)
        worker.close()
    assert len(seen) == 2


WIPED = """
import ctypes, sys
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
sys.wiped = libc.mmap(None, ctypes.c_size_t(4096), 3, 0x22, -1, ctypes.c_long(0))
assert libc.madvise(ctypes.c_void_p(sys.wiped), ctypes.c_size_t(4096), 18) == 0  # MADV_WIPEONFORK
ctypes.memset(sys.wiped, 7, 4096)
"""


def test_memory_that_is_empty_after_a_fork_stays_so(make_drive, tmp_path):
    """The C library keeps the state of its random numbers in such memory, from version 2.41 on: what the zygote's forks inherit would be the same numbers."""
    library = shutil.copytree(ROOT / "runtime" / "python", tmp_path / "python")
    with open(library / "warm_up.py", "a") as file:
        file.write(WIPED)
    worker = make_drive(preload=["IPython"], library=library).fork()
    assert worker.run("import ctypes, sys\nprint(ctypes.string_at(sys.wiped, 4096) == bytes(4096))").stdout == "True\n"
    worker.close()


def test_seeding_still_works(drive):
    seen = set()
    for _ in range(2):
        worker = drive.fork()
        seen.add(worker.run("import random\nimport numpy as np\nrandom.seed(1); np.random.seed(1)\nprint(random.random(), np.random.rand())").stdout)
        worker.close()
    assert len(seen) == 1 and seen.pop().startswith("0.13436424411240122 0.417022004702574")


def test_reseed_by_setup(worker):
    worker.run("import random, numpy as np\nrandom.seed(1); np.random.seed(1)")
    assert not worker.run("print(random.random(), np.random.rand())", reseed=True).stdout.startswith("0.134364244")


def test_sessions_are_apart(drive):
    a, b = drive.fork(), drive.fork()
    a.run("x = 1\nimport math\nmath.pi = 3")
    assert b.run("x").error["type"] == "NameError"
    assert b.run("import math\nprint(math.pi)").stdout.startswith("3.14")
    a.close(), b.close()


def test_the_process_knows_itself(worker):
    r = worker.run("import os, threading\nprint(os.getpid(), threading.main_thread().native_id == os.getpid(), threading.current_thread().name)")
    assert r.stdout == f"{worker.pid} True MainThread\n"
    assert worker.ready["pid"] == worker.pid and worker.ready["python"].startswith("3.")


def test_interpreter(worker):
    r = worker.run("import sys\nprint(sys.executable, sys.prefix, sys.flags.utf8_mode, sys.dont_write_bytecode, sys.path[0] == '')\nimport subprocess\nprint(subprocess.check_output([sys.executable, '-c', 'import numpy; print(1)']))")
    executable, prefix, utf8, bytecode, path = r.stdout.split("\n")[0].split()
    assert executable.startswith(prefix) and (utf8, bytecode, path) == ("1", "True", "True")
    assert r.stdout.endswith("b'1\\n'\n")


def test_own_modules(worker, drive):
    (drive.workspace / "own_module.py").write_text("value = 5\n")
    assert worker.run("import own_module\nprint(own_module.value)").stdout == "5\n"


def test_names_of_ours_are_free(worker, drive):
    (drive.workspace / "runtime.py").write_text("who = 'the user'\n")
    (drive.workspace / "plots.py").write_text("who = 'the user'\n")
    assert worker.run("import runtime, plots\nprint(runtime.who, plots.who)").stdout == "the user the user\n"


def test_environment_follows_the_session(drive):
    """Init sets HOME and TMPDIR after Python has started: see os.environ."""
    worker = drive.fork()
    assert worker.run("import os\nprint(os.environ['HOME'] == os.path.expanduser('~'))").stdout == "True\n"
    worker.close()


def test_a_thread_at_start_is_refused(make_drive, tmp_path, drive_program):
    import subprocess
    from conftest import PYTHON, ROOT

    (tmp_path / "imports.json").write_text("{}")
    (tmp_path / "threaded.py").write_text("import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n")
    done = subprocess.run(
        [str(drive_program), PYTHON, str(ROOT / "runtime/python"), str(tmp_path / "imports.json"), "open", "threaded"],
        env={"PATH": "/usr/bin", "HOME": str(tmp_path)}, cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )
    assert done.returncode == 1 and "thread" in done.stderr


def test_a_missing_module_is_refused(tmp_path, drive_program):
    import subprocess
    from conftest import PYTHON, ROOT

    (tmp_path / "imports.json").write_text("{}")
    done = subprocess.run(
        [str(drive_program), PYTHON, str(ROOT / "runtime/python"), str(tmp_path / "imports.json"), "open", "no_such_module"],
        env={"PATH": "/usr/bin", "HOME": str(tmp_path)}, cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )
    assert done.returncode == 1 and "no_such_module" in done.stderr
    assert os.path.isdir(tmp_path)
