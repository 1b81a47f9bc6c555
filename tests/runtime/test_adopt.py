"""Parked copies that bring forth workers of other members: own pipes, the same state, and nothing of theirs in the parent's streams."""

import signal
import time

import pytest
from test_park import STATE, crash, park, wake
from wire import READY


@pytest.fixture
def worker(drive):
    """Its copies and their forks are children of the drive: they are ended with it."""
    worker = drive.fork()
    worker.copies, worker.forks = [], []
    yield worker
    for pid in worker.copies:
        worker.kill(signal.SIGKILL, pid)
        worker.wait(pid)
    for fork in worker.forks:
        fork.close()
    worker.close()


def adopt(worker, copy, keep=True, member=1, mark=1 << 40):
    fork = worker.order(copy, keep, member, mark)
    worker.forks.append(fork)
    if keep:
        sender, fork.pid, error = worker.report()
        assert sender == copy and fork.pid > 0 and error == 0
        worker.copies.append(fork.pid)
    ready = fork.wait_for(READY).json
    assert ready["pid"] == fork.pid
    fork.restored = ready["restored"]
    return fork


@pytest.mark.parametrize("keep", [True, False])
def test_a_live_fork(worker, keep):
    worker.run(STATE)
    fork = adopt(worker, park(worker)["pid"], keep)
    assert fork.restored == 1
    ask = "x.append({n}); print(x, next(g), f() is x, a.b is a)\nimport os\nprint(os.getpid(), os.system('echo child') )"
    r = fork.run(ask.format(n=8))
    assert r.stdout == f"[1, 2, 8] 2 True True\nchild\n{fork.pid} 0\n" and r.done["executionCount"] == 2
    r = worker.run(ask.format(n=9))
    assert r.stdout == f"[1, 2, 9] 2 True True\nchild\n{worker.pid} 0\n" and r.done["executionCount"] == 2


def test_the_copy_stays_parked(worker):
    worker.run("x = 1")
    copy = park(worker)["pid"]
    worker.run("x = 2")
    forks = [adopt(worker, copy, member=n) for n in range(1, 6)]
    for n, fork in enumerate(forks):
        assert fork.run(f"x += {n}\nprint(x)").stdout == f"{1 + n}\n"
    crash(worker)
    wake(worker, copy)
    assert worker.run("print(x)").stdout == "1\n"
    assert forks[3].run("print(x)").stdout == "4\n"


def test_a_fork_of_a_fork(worker):
    worker.run("x = [1]")
    first = adopt(worker, park(worker)["pid"])
    first.copies, first.forks = worker.copies, worker.forks
    first.run("x.append(2)")
    second = adopt(first, park(first)["pid"])
    assert second.restored == 2
    assert second.run("x.append(3); print(x)").stdout == "[1, 2, 3]\n"
    assert first.run("print(x)").stdout == "[1, 2]\n" and worker.run("print(x)").stdout == "[1]\n"


def test_a_fork_while_the_parent_runs(worker):
    worker.run("x = 1")
    copy = park(worker)["pid"]
    worker.begin("x = input()")
    worker.wait_for(70)
    fork = adopt(worker, copy)
    assert fork.run("print(x)").stdout == "1\n"
    worker.send(3, "text")
    assert worker.collect().status == "ok" and worker.run("print(x)").stdout == "text\n"


def test_random_state_differs(worker):
    code = "import random, numpy as np, uuid, secrets\nprint(random.random(), np.random.rand(), uuid.uuid4(), uuid.uuid1(), secrets.token_hex())"
    worker.run("import random, numpy as np, uuid, secrets\nuuid.uuid1()")
    copy = park(worker)["pid"]
    forks = [adopt(worker, copy, member=n) for n in (1, 2)]
    seen = [token for w in (worker, *forks) for token in w.run(code).stdout.split()]
    assert len(seen) == 15 == len(set(seen))


def test_the_mark(worker):
    """By which init tells whose process one is: a process that leaves everything else behind keeps it."""
    fork = adopt(worker, park(worker)["pid"], mark=12345)
    r = fork.run(
        "import subprocess, resource\nprint(resource.getrlimit(10))\n"
        "print(subprocess.run(['setsid', 'sh', '-c', '(cat /proc/self/limits | grep locks) & wait'], capture_output=True, text=True).stdout)"
    )
    assert r.stdout.startswith("(12345, 12345)\n") and r.stdout.split()[-3:] == ["12345", "12345", "locks"]
    assert "12345" not in worker.run("import resource\nprint(resource.getrlimit(10))").stdout


def test_a_stolen_order(worker):
    """Code of the session takes what is meant for its parked copy: the copy says so and stays what it was."""
    worker.run("x = 1")
    copy = park(worker)["pid"]
    worker.kill(signal.SIGSTOP, copy)
    worker.forks.append(worker.order(copy, True))
    r = worker.run("import socket, os\ns = socket.socket(fileno=os.dup(5))\nprint(len(socket.recv_fds(s, 64, 8)[1]))")
    assert r.stdout == "5\n"
    worker.kill(signal.SIGCONT, copy)
    sender, pid, error = worker.report()
    assert (sender, pid) == (copy, 0) and error != 0
    crash(worker)
    wake(worker, copy)
    assert worker.run("print(x)").stdout == "1\n"


def test_the_channel_is_closed(worker):
    worker.run("import os\nos.close(5)")
    reply = park(worker)
    assert reply["pid"] > 0 and reply["channel"] is False
    crash(worker)
    wake(worker, reply["pid"])
    assert worker.run("print(1)").stdout == "1\n"


def test_something_else_in_the_place_of_the_channel(worker):
    worker.run("import os, socket\na, b = socket.socketpair()\nos.dup2(a.fileno(), 5)")
    reply = park(worker)
    assert reply["pid"] > 0 and reply["channel"] is False


def test_closed_places(worker):
    """Descriptors that come by the channel do not land in each other's place."""
    worker.run("import os\nos.close(1); os.close(2)")
    fork = adopt(worker, park(worker)["pid"])
    assert fork.run("import os\nos.system('echo out; echo err >&2');").order == [(65, "out\n"), (66, "err\n")]


def test_only_init_orders(worker):
    copy = park(worker)["pid"]
    worker.run(f"import os\nos.kill({copy}, 41)")
    fork = adopt(worker, copy)
    assert fork.run("print(1)").stdout == "1\n"


def test_what_no_order_is(worker):
    """A signal without an order, and what is too short for one: the copy says that it failed, and stays."""
    worker.run("x = 1")
    copy = park(worker)["pid"]
    for junk in (None, b"junk"):
        if junk:
            worker.channel.send(junk)
        worker.kill(41, copy)
        sender, pid, error = worker.report()
        assert (sender, pid) == (copy, 0) and error != 0
    assert adopt(worker, copy).run("print(x)").stdout == "1\n"


def test_orders_of_two_copies(worker):
    """The first in the channel is for the copy that is woken last."""
    worker.run("x = 1")
    first = park(worker)["pid"]
    worker.run("x = 2")
    second = park(worker)["pid"]
    worker.kill(signal.SIGSTOP, first)
    a, b = worker.order(first, True, 1), worker.order(second, True, 2)
    worker.forks += [a, b]
    worker.kill(signal.SIGCONT, first)
    pids = {}
    for _ in range(2):
        sender, pid, error = worker.report()
        assert error == 0
        pids[sender] = pid
        worker.copies.append(pid)
    a.pid, b.pid = pids[first], pids[second]
    for fork, x in ((a, "1"), (b, "2")):
        fork.wait_for(READY)
        assert fork.run("print(x)").stdout == f"{x}\n"


def test_a_big_one(worker):
    """A gigabyte is not copied."""
    worker.run("import numpy as np\na = np.ones(1 << 27)")
    copy = park(worker)["pid"]
    times = []
    for n in range(1, 6):
        started = time.monotonic()
        fork = adopt(worker, copy, member=n)
        times.append(time.monotonic() - started)
    assert fork.run("a[0] = 5\nprint(a[0], a.sum())").stdout == f"5.0 {float((1 << 27) + 4)}\n"
    assert worker.run("print(a[0])").stdout == "1.0\n"
    assert min(times) < 0.5, times
