"""Every way a cell can end, each with one truthful end; and what outlives a cell."""

import os
import signal
import time

import pytest
from wire import DONE, EXECUTE, STDERR, STDOUT, Ended


def ends(worker, code):
    """Runs code that ends the worker. Returns (status of waitpid, stdout, stderr)."""
    worker.begin(code)
    out = {STDOUT: b"", STDERR: b""}
    with pytest.raises(Ended):
        for event in worker.events(lambda e: e.kind == DONE):
            if event.kind in out:
                out[event.kind] += event.payload
    for event in worker.drain(STDOUT) + worker.drain(STDERR):
        out[event.kind] += event.payload
    return worker.wait(), out[STDOUT].decode(), out[STDERR].decode()


@pytest.mark.parametrize("code", ["import sys\nsys.exit()", "import sys\nsys.exit(0)", "raise SystemExit", "exit()", "quit(0)"])
def test_exit_without_a_code(worker, code):
    worker.run("kept = 1")
    r = worker.run(code)
    assert r.status == "ok" and r.error is None
    assert worker.run("print(kept)").stdout == "1\n"


@pytest.mark.parametrize("code, message", [("1", "1"), ("'it failed'", "it failed"), ("256", "256"), ("-1", "-1"), ("[1]", "[1]")])
def test_exit_with_a_code(worker, code, message):
    r = worker.run(f"kept = 2\nimport sys\nsys.exit({code})")
    assert r.status == "error" and r.error["type"] == "SystemExit" and r.error["message"] == message
    assert worker.run("print(kept)").stdout == "2\n"


def test_os_exit(worker):
    status, out, _ = ends(worker, "import os\nprint('a')\nprint('b')\nprint('c', end='')\nos._exit(3)")
    assert os.WEXITSTATUS(status) == 3 and out == "a\nb\nc"


@pytest.mark.parametrize(
    "code, number",
    [
        ("import ctypes\nctypes.string_at(0)", signal.SIGSEGV),
        ("import os\nos.abort()", signal.SIGABRT),
        ("import os\nos.kill(os.getpid(), 9)", signal.SIGKILL),
        ("import os\nos.kill(os.getpid(), 15)", signal.SIGTERM),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGBUS)", signal.SIGBUS),
        ("import ctypes\nctypes.CFUNCTYPE(None)(0)()", signal.SIGSEGV),
    ],
)
def test_death_by_signal(worker, code, number):
    status, out, _ = ends(worker, f"print('a')\nprint('b')\nprint('c', end='')\n{code}")
    assert os.WTERMSIG(status) == number and out == "a\nb\nc"


def test_a_crash_tells_its_place(worker):
    _, _, err = ends(worker, "import ctypes\ndef f():\n    ctypes.string_at(0)\nf()")
    assert "Segmentation fault" in err and 'File "<cell 1>", line 3 in f' in err and 'File "<cell 1>", line 4 in <module>' in err


def test_stack_overflow_in_c(worker):
    status, _, err = ends(worker, "import sys\nsys.setrecursionlimit(10**7)\nx = None\nfor i in range(10**6): x = [x]\nrepr(x)")
    assert os.WIFSIGNALED(status) and "Segmentation fault" in err


def test_deep_recursion(worker):
    r = worker.run("def f(): f()\nf()")
    assert r.status == "error" and r.error["type"] == "RecursionError" and len(r.error["traceback"]) < 10_000
    assert worker.run("print('alive')").stdout == "alive\n"


def test_memory_error(worker):
    r = worker.run("x = bytearray(1 << 60)")
    assert r.error["type"] == "MemoryError"
    assert worker.run("1 + 1").main == {"text/plain": "2"}


@pytest.mark.parametrize(
    "code",
    [
        "import os\nos.closerange(0, 256)",
        "import os\nos.close(4)",
        "import os\nos.close(3)",
        "import os\nos.dup2(1, 3)",
        "import os\nos.dup2(2, 4)",
        "import os\nos.closerange(3, 256)\nfiles = [open(f'f{i}', 'w+') for i in range(10)]",
    ],
)
def test_closing_its_pipes_ends_the_worker(worker, code):
    worker.begin(code)
    worker.execution += 1
    try:
        worker.send(EXECUTE, "print(1)")
    except BrokenPipeError:
        pass
    status = worker.wait()
    assert os.WIFEXITED(status)


def test_closing_the_standard_descriptors(worker):
    r = worker.run("import os\nfor fd in 0, 1, 2: os.close(fd)\nprint('still heard')")
    assert r.stdout == "still heard\n" and r.status == "ok"
    assert worker.run("print('and again')").stdout == "and again\n"


def test_the_end_of_the_request_pipe(worker):
    os.close(worker.request)
    worker.request = -1
    assert worker.wait() == 0


def test_a_fork_that_returns_into_the_loop(worker):
    worker.run("import os\npid = os.fork()\nif pid == 0: x = 'child'")
    r = worker.run("os.waitpid(pid, 0)\nprint(pid > 0, 'x' in globals())")
    assert r.stdout == "True False\n"
    for i in range(5):
        assert worker.run(f"print({i})").stdout == f"{i}\n"


def test_a_child_prints(worker):
    r = worker.run(
        "import os\nprint('parent')\npid = os.fork()\nif pid == 0:\n    print('child')\n    print('tail', end='')\n    os._exit(0)\nos.waitpid(pid, 0)\nprint('parent again')"
    )
    assert r.stdout == "parent\nchild\ntailparent again\n"


def test_a_child_that_ends_with_an_error(worker):
    r = worker.run("import os\npid = os.fork()\nif pid == 0:\n    1/0\nprint(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))")
    assert r.stdout == "1\n" and len(r.of(DONE)) == 1


def test_a_child_that_outlives_its_cell(worker):
    worker.run("import subprocess\np = subprocess.Popen('while [ ! -e go2 ]; do sleep 0.01; done; echo from the child', shell=True)")
    assert worker.run("print('next')").stdout == "next\n"
    r = worker.run("open('go2', 'w').close()\np.wait()\nimport os\nos.unlink('go2')\nprint('end')")
    assert r.stdout == "from the child\nend\n"


def test_a_thread_that_outlives_its_cell(worker):
    r = worker.run(
        "import threading, time\nstop = threading.Event()\ndef f():\n    i = 0\n    while not stop.wait(0.001):\n        print('t', i)\n        i += 1\nt = threading.Thread(target=f)\nt.start()"
    )
    assert r.done["threads"] == 2
    for i in range(20):
        lines = worker.run(f"print('cell', {i})\ntime.sleep(0.005)").stdout.split("\n")
        assert f"cell {i}" in lines and all(line == "" or line[:2] in ("t ", "ce") for line in lines)
    r = worker.run("stop.set()\nt.join()")
    assert r.done["threads"] == 1


def test_a_thread_speaks_between_cells(worker, drive):
    go = drive.workspace / "go3"
    worker.run("import os, threading, time\ndef f():\n    while not os.path.exists('go3'): time.sleep(0.01)\n    print('between')\nthreading.Thread(target=f).start()")
    go.touch()
    text = ""
    while "\n" not in text:
        text += worker.wait_for(STDOUT).text
    go.unlink()
    assert text == "between\n"


def test_threads_are_counted(worker):
    assert worker.run("1").done["threads"] == 1
    assert worker.run("import threading, time\ne = threading.Event()\nts = [threading.Thread(target=e.wait) for _ in range(3)]\n[t.start() for t in ts];").done["threads"] == 4
    assert worker.run("e.set()\n[t.join() for t in ts];").done["threads"] == 1


def test_threads_of_c_code_are_counted(worker):
    """Python knows nothing of them; between them and after them plain cells, for which nobody looks into /proc."""
    begin = """
import ctypes, os
libc, t = ctypes.CDLL(None), ctypes.c_ulong()
def is_waiting(task): return open(f'/proc/self/task/{task}/stat').read().rpartition(')')[2].split()[0] == 'S'
def begin():
    assert libc.pthread_create(ctypes.byref(t), None, ctypes.cast(libc.pause, ctypes.c_void_p), None) == 0
    while not all(is_waiting(task) for task in os.listdir('/proc/self/task') if int(task) != os.getpid()): pass
def end():
    libc.pthread_cancel(t)
    libc.pthread_join(t, None)
"""
    assert worker.run(begin).done["threads"] == 1
    for _ in range(3):
        assert [worker.run(code).done["threads"] for code in ("x = 1", "begin()", "x = 2", "x = 3", "end()", "x = 4")] == [1, 2, 2, 2, 1, 1]


def test_printing_threads_do_not_mix_characters(worker):
    code = """
import threading
def f(letter):
    for i in range(300): print(letter * 50)
ts = [threading.Thread(target=f, args=(x,)) for x in 'abé']
for t in ts: t.start()
for t in ts: t.join()
"""
    out = worker.run(code).stdout
    assert out.count("a" * 50) == 300 and out.count("b" * 50) == 300 and out.count("é" * 50) == 300 and out.count("\n") == 900


@pytest.mark.parametrize(
    "code, expected",
    [
        ("from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(4) as p: print(sum(p.map(abs, range(-5, 0))))", "15\n"),
        ("from multiprocessing import Pool\nwith Pool(2) as p: print(p.map(abs, [-1, -2, -3]))", "[1, 2, 3]\n"),
        ("from concurrent.futures import ProcessPoolExecutor\nwith ProcessPoolExecutor(2) as p: print(list(p.map(abs, [-1, -2])))", "[1, 2]\n"),
        ("def f(x): return x * 2\nfrom multiprocessing import Pool\nwith Pool(2) as p: print(p.map(f, [1, 2]))", "[2, 4]\n"),
        ("from multiprocessing import Process\ndef f(): print('in the child')\np = Process(target=f)\np.start()\np.join()\nprint(p.exitcode)", "in the child\n0\n"),
        ("import asyncio\nasync def main():\n    await asyncio.sleep(0)\n    print('async')\nasyncio.run(main())", "async\n"),
        ("import subprocess\nprint(subprocess.check_output(['echo', 'x']))", "b'x\\n'\n"),
        ("import tempfile, os\nwith tempfile.NamedTemporaryFile() as f: print(os.path.exists(f.name))", "True\n"),
        ("import sqlite3\nprint(sqlite3.connect(':memory:').execute('select 1+1').fetchone())", "(2,)\n"),
        ("import numpy as np\na = np.random.rand(300, 300)\nprint((a @ a).shape)", "(300, 300)\n"),
    ],
)
def test_ordinary_machinery_works(worker, code, expected):
    r = worker.run(code)
    assert r.status == "ok", r.error
    assert r.stdout == expected


def test_accounts(worker):
    done = worker.run("end = __import__('time').process_time() + 0.05\nwhile __import__('time').process_time() < end: pass").done
    assert done["cpuUser"] + done["cpuSystem"] >= 49_000 and done["executionCount"] == 1
    done = worker.run("x = bytearray(60_000_000)\nx[::4096] = b'x' * len(x[::4096])").done
    assert done["memory"] > 50_000_000 and done["memoryPeak"] >= done["memory"]
    done = worker.run("del x").done
    assert done["memory"] < 30_000_000
    done = worker.run("y = 1").done
    assert done["memoryPeak"] < 40_000_000  # its own, not that of an earlier cell
    done = worker.run("import os, time\nif os.fork() == 0:\n  while time.process_time() < 0.05: pass\n  os._exit(0)\nos.wait();").done
    assert done["cpuUser"] + done["cpuSystem"] > 40_000  # a child's, once it is waited for


def test_a_quick_cell_after_a_long_idle(worker):
    worker.run("x = 1")
    time.sleep(0.05)
    assert worker.run("x").main == {"text/plain": "1"}
