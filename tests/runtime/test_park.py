"""Parked copies of the interpreter, and what goes on from them."""

import os
import signal
import time
from pathlib import Path

import pytest
from wire import EXECUTE, PARK, PARKED, READY, WAKE_SIGNAL, Ended


@pytest.fixture
def worker(drive):
    """Its parked copies are children of the drive: they are ended with it."""
    worker = drive.fork()
    worker.copies = []
    yield worker
    for pid in worker.copies:
        worker.kill(signal.SIGKILL, pid)
        worker.wait(pid)
    worker.close()


def faults(worker):
    return int(Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()[7])


def park(worker):
    worker.send(PARK)
    reply = worker.wait_for(PARKED).json
    if reply["pid"]:
        worker.copies.append(reply["pid"])
    return reply


def wake(worker, pid):
    """As init does: the former worker is gone, the copy is told to go on."""
    worker.kill(WAKE_SIGNAL, pid)
    worker.copies.remove(pid)
    worker.pid = pid
    worker.ended = False
    ready = worker.wait_for(READY).json
    worker.copies.append(pid)  # the fixture's to end
    return ready


def crash(worker, code="import os\nos._exit(1)"):
    pid = worker.pid
    worker.begin(code)
    worker.wait(pid)
    worker.pump(0)
    worker.buffer, worker.pending = b"", []


STATE = """
import io
x = [1, 2]
def counter():
    for i in range(100): yield i
g = counter(); next(g); next(g)
f = lambda: x
import tempfile
t = tempfile.TemporaryFile(); t.write(b'abc'); t.flush()
class A: pass
a = A(); a.b = a
"""


def test_state_survives(worker):
    worker.run(STATE)
    reply = park(worker)
    assert reply == {"pid": reply["pid"], "executionCount": 1, "channel": True, "cpu": reply["cpu"]} and reply["pid"] != worker.pid
    worker.run("x.append(99); next(g)")
    crash(worker, "import ctypes\nctypes.string_at(0)")
    ready = wake(worker, reply["pid"])
    assert ready["restored"] == 1 and ready["pid"] == reply["pid"]
    r = worker.run("print(x, next(g), f(), a.b is a, t.seek(0), t.read())\nimport os\nprint(os.getpid())")
    assert r.stdout == f"[1, 2] 2 [1, 2] True 0 b'abc'\n{reply['pid']}\n" and r.done["executionCount"] == 2


def test_the_worker_goes_on(worker):
    worker.run("x = 1")
    park(worker)
    for i in range(10):
        assert worker.run("x += 1\nprint(x)").stdout == f"{i + 2}\n"


def test_several_copies(worker):
    copies = []
    for i in range(5):
        worker.run(f"x = {i}")
        copies.append(park(worker)["pid"])
    crash(worker)
    assert wake(worker, copies[2])["restored"] == 3
    assert worker.run("print(x)").stdout == "2\n"


def test_a_copy_of_a_copy(worker):
    worker.run("x = 1")
    first = park(worker)["pid"]
    crash(worker)
    wake(worker, first)
    worker.run("x += 1")
    second = park(worker)["pid"]
    worker.copies.remove(first)
    crash(worker)
    assert wake(worker, second)["restored"] == 2
    assert worker.run("print(x)").stdout == "2\n"


def test_random_state_differs(worker):
    worker.run("import random, numpy as np, uuid")
    pid = park(worker)["pid"]
    before = worker.run("print(random.random(), np.random.rand(), uuid.uuid4())").stdout
    crash(worker)
    wake(worker, pid)
    after = worker.run("print(random.random(), np.random.rand(), uuid.uuid4())").stdout
    assert not set(before.split()) & set(after.split())


def test_threads_refuse(worker):
    worker.run("import threading\ne = threading.Event()\nts = [threading.Thread(target=e.wait) for _ in range(2)]\n[t.start() for t in ts];")
    reply = park(worker)
    assert reply["pid"] == 0 and "2 other threads are alive" in reply["reason"]
    worker.run("e.set()\n[t.join() for t in ts];")
    assert park(worker)["pid"] > 0


def test_only_init_wakes(worker):
    pid = park(worker)["pid"]
    worker.run(f"import os\nfor s in (40, 15, 2, 10, 12): os.kill({pid}, s)")
    time.sleep(0.05)
    os.kill(pid, WAKE_SIGNAL)  # this process is not its parent
    time.sleep(0.05)
    assert worker.run("print('the worker')").stdout == "the worker\n"
    crash(worker)
    wake(worker, pid)  # and none of those signals ends it now
    assert worker.run("print('the copy')").stdout == "the copy\n"


def test_output_is_live_after_waking(worker):
    pid = park(worker)["pid"]
    worker.run("print('a', end='')")
    crash(worker)
    wake(worker, pid)
    worker.begin("import time\nprint('tail', end='')\nfor i in range(20): time.sleep(0.01)\nprint('end')")
    first = next(iter(worker.events(lambda e: e.payload == b"tail")))
    assert first.payload == b"tail"
    worker.collect()


def test_interrupts_after_waking(worker):
    pid = park(worker)["pid"]
    crash(worker)
    wake(worker, pid)
    worker.begin("print(1)\nwhile True: pass")
    worker.wait_for(65)
    worker.interrupt()
    assert worker.collect().status == "interrupted"


def test_threads_and_children_after_waking(worker):
    pid = park(worker)["pid"]
    crash(worker)
    wake(worker, pid)
    r = worker.run("import threading, subprocess, logging\nt = threading.Thread(target=lambda: print('t'))\nt.start(); t.join()\nsubprocess.run(['echo', 'c'])\nlogging.warning('w')\nimport multiprocessing\nprint(multiprocessing.Pool(1).map(abs, [-1]))")
    assert r.stdout == "t\nc\n[1]\n" and r.status == "ok"


def test_ordinary_death_without_a_copy(worker):
    worker.begin("import os\nos._exit(1)")
    with pytest.raises(Ended):
        worker.collect()
    worker.wait()


def test_a_request_that_waits_is_not_lost(worker):
    """What the server has sent while the former worker died is read by the copy."""
    worker.run("x = 5")
    pid = park(worker)["pid"]
    crash(worker)
    worker.execution += 1
    worker.send(EXECUTE, "print(x)")
    wake(worker, pid)
    assert worker.collect().stdout == "5\n"


def test_the_cost(worker):
    """Between a request and its answer, with a hundred MB in use: a fork, and no copy of memory."""
    worker.run("import numpy as np\na = np.ones(100_000_000 // 8)")
    times = []
    for _ in range(10):
        started = time.monotonic()
        reply = park(worker)
        times.append(time.monotonic() - started)
        worker.kill(signal.SIGKILL, reply["pid"])
        worker.wait(reply["pid"])
        worker.copies.remove(reply["pid"])
    assert min(times) < 0.05, times


def test_at_fork_handlers_run_in_the_copy_that_wakes(worker):
    """And not in the interpreter that goes on: a program's own would run with each checkpoint."""
    worker.run("import os\nsaid = []\nos.register_at_fork(before=lambda: said.append('before'), "
               "after_in_parent=lambda: said.append('parent'), after_in_child=lambda: said.append('child'))")
    copy = park(worker)["pid"]
    assert worker.run("print(said)").stdout == "[]\n"
    crash(worker)
    wake(worker, copy)
    assert worker.run("print(said)").stdout == "['before', 'child']\n"


def test_a_copy_costs_few_pages(worker):
    worker.run("x = 1")
    park(worker)
    before = faults(worker)
    park(worker)
    assert faults(worker) - before < 60  # 6 were seen, and 167 where handlers of the fork ran
