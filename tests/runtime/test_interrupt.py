"""Interrupts of the server: for one execution, and state kept."""

import os
import signal
import subprocess
import time

import pytest
from wire import DONE, PATIENCE, STDOUT


def started(worker, code):
    """Begins a cell and waits until it says so."""
    worker.begin("print('started')\n" + code)
    worker.wait_for(STDOUT)


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "import time\ntime.sleep(1000)",
        "import threading\nthreading.Event().wait()",
        "import threading\nt = threading.Thread(target=lambda: __import__('time').sleep(0.3))\nt.start()\nt.join()\nwhile True: pass",
        "import subprocess\nsubprocess.run(['sleep', '1000'])",
        "import asyncio\nawait asyncio.sleep(1000)",
        "import asyncio\nasyncio.run(asyncio.sleep(1000))",
        "import select\nselect.select([], [], [])",
        "import os\nr, w = os.pipe()\nos.read(r, 1)",
        "import queue\nqueue.Queue().get()",
        "while True: print('x')",
        "for i in iter(int, 1): pass",
        "class H:\n  def __repr__(self):\n    while True: pass\nH()",
        "def f():\n  try:\n    while True: pass\n  finally:\n    print('cleaned up')\nf()",
        "!sleep 1000",
        "import numpy as np\na = np.random.rand(200, 200)\nwhile True: a @ a",
        "import multiprocessing\nwith multiprocessing.Pool(2) as p: p.map(__import__('time').sleep, [1000, 1000])",
    ],
)
def test_interrupt(worker, code):
    worker.run("kept = 1")
    started(worker, code)
    worker.interrupt()
    r = worker.collect()
    assert r.status == "interrupted" and r.error["type"] == "KeyboardInterrupt", r.error
    assert "penny_runtime" not in r.error["traceback"]
    assert worker.run("print(kept)").stdout == "1\n"


def test_at_once(worker):
    """However early it comes, even before the cell is read, it is not lost and hits no other cell."""
    for i in range(300):
        worker.begin("import time\ntime.sleep(1000)")
        worker.interrupt()
        assert worker.collect().status == "interrupted", i
    assert worker.run("1").status == "ok"


@pytest.mark.parametrize("code", ["!sleep {}", "x = !sleep {}; true"])
def test_a_command_that_is_being_started(worker, code):
    """Nothing of it is left, whenever the interrupt comes."""
    code = code.format(seconds := 1_000_000 + os.getpid())
    worker.run("!true")
    for i in range(50):
        worker.begin(code)
        until = time.perf_counter() + i % 25 * 0.0002
        while time.perf_counter() < until:
            pass
        worker.interrupt()
        assert worker.collect().status == "interrupted", i
    until = time.monotonic() + PATIENCE  # the shell is waited for, what it has started dies beside it
    while (running := subprocess.run(["pgrep", "-fx", f"sleep {seconds}"], capture_output=True, text=True).stdout) and time.monotonic() < until:
        time.sleep(0.01)
    assert not running


def test_before_its_cell(worker):
    worker.run("1")
    worker.interrupt(worker.execution + 2)
    assert worker.run("1").status == "ok"
    worker.interrupt(worker.execution + 1)
    assert worker.run("while True: pass").status == "interrupted"


def test_for_another_execution(worker):
    started(worker, "import time\nfor i in range(20): time.sleep(0.01)\nprint('whole')")
    worker.interrupt(worker.execution - 1)
    worker.interrupt(worker.execution + 1)
    r = worker.collect()
    assert r.status == "ok" and r.stdout.endswith("whole\n")


def test_between_cells(worker):
    worker.run("x = 1")
    worker.interrupt()
    worker.interrupt(0)
    for _ in range(20):
        assert worker.run("x += 1").status == "ok"


def test_interrupts_in_a_row(worker):
    """Cells that end at any moment while interrupts for older ones come in."""
    for i in range(300):
        worker.begin("x = 1\nfor i in range(100): x += i")
        worker.interrupt(worker.execution - 1)
        assert worker.collect().status == "ok"


def test_many_executions_share_the_31_bits(worker):
    high = (1 << 40) + 7
    worker.begin("print('a')\nwhile True: pass", execution=high)
    worker.wait_for(STDOUT)
    worker.interrupt(high)
    assert worker.collect().status == "interrupted"


def test_inits_plain_signal_is_ignored(worker):
    started(worker, "import time\nfor i in range(20): time.sleep(0.01)\nprint('whole')")
    worker.kill(signal.SIGINT)  # from the parent, as init does to the whole group
    assert worker.collect().stdout.endswith("whole\n")


def test_own_signal_works(worker):
    r = worker.run("import os, signal\nprint(1)\nos.kill(os.getpid(), signal.SIGINT)\nprint(2)")
    assert r.status == "interrupted" and r.stdout == "1\n"
    r = worker.run("import signal\ntry:\n    signal.raise_signal(signal.SIGINT)\nexcept KeyboardInterrupt: print('caught')")
    assert r.stdout == "caught\n" and r.status == "ok"
    r = worker.run("import _thread, time\n_thread.interrupt_main()\ntime.sleep(10)")
    assert r.status == "interrupted"


def test_own_handler_lasts_for_its_cell(worker):
    worker.begin("import signal, time\nseen = []\nsignal.signal(signal.SIGINT, lambda *a: seen.append(1))\nprint('ready')\nwhile not seen: time.sleep(0.01)\nprint('handled')")
    worker.wait_for(STDOUT)
    worker.interrupt()
    r = worker.collect()
    assert r.status == "ok" and "handled" in r.stdout
    started(worker, "while True: pass")
    worker.interrupt()
    assert worker.collect().status == "interrupted"
    assert "default_int_handler" in worker.run("import signal\nprint(signal.getsignal(2))").stdout


def test_swallowed(worker):
    worker.begin("import time\ntry:\n    print('in it')\n    time.sleep(1000)\nexcept KeyboardInterrupt:\n    print('swallowed')\nprint('goes on')")
    worker.wait_for(STDOUT)
    worker.interrupt()
    r = worker.collect()
    assert r.status == "ok" and "swallowed\ngoes on\n" in r.stdout


def test_ignored_until_killed(worker):
    worker.begin("import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('deaf')\nwhile True: pass")
    worker.wait_for(STDOUT)
    worker.interrupt()
    with pytest.raises(TimeoutError):
        worker.collect(0.2)
    worker.kill(signal.SIGKILL)
    assert os.WTERMSIG(worker.wait()) == signal.SIGKILL


def test_alarm_of_the_user_works(worker):
    r = worker.run("import signal, time\ndef h(*a): raise TimeoutError('mine')\nsignal.signal(signal.SIGALRM, h)\nsignal.setitimer(signal.ITIMER_REAL, 0.05)\ntime.sleep(10)")
    assert r.error["type"] == "TimeoutError" and r.error["message"] == "mine"


def test_sigpipe(worker):
    assert worker.run("import os\nr, w = os.pipe()\nos.close(r)\nos.write(w, b'x')").error["type"] == "BrokenPipeError"


def test_an_interrupt_while_the_pipe_is_full(worker):
    """Nobody reads for a while: the cell blocks in the middle of its output, and is interrupted there."""
    worker.begin("while True: print('x' * 1000)")
    time.sleep(0.1)
    worker.interrupt()
    r = worker.collect()
    assert r.status == "interrupted"
    assert set(r.stdout.replace("\n", "")) == {"x"} and len(r.of(DONE)) == 1


def test_flush_timer_does_not_disturb_system_calls(worker):
    r = worker.run("import time, os\nfor i in range(50):\n    print('.', end='')\n    time.sleep(0.002)\nr, w = os.pipe()\nprint('!', end='')\nimport threading\nthreading.Timer(0.05, os.write, (w, b'x')).start()\nprint(os.read(r, 1))")
    assert r.status == "ok" and r.stdout == "." * 50 + "!b'x'\n"
