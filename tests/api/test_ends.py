"""Every way in which a program can end or misbehave has one truthful end and harms nobody else."""

import itertools
import re
from pathlib import Path

import pytest

from harness import assert_state_is_true, until

DEATHS = {
    "os._exit": "import os\nos._exit(0)",
    "segfault": "import ctypes\nctypes.string_at(0)",
    "abort": "import os\nos.abort()",
    "kill": "import os\nos.kill(os.getpid(), 9)",
    "stack": "import sys, ctypes\nsys.setrecursionlimit(10**9)\ndef f(g): return f(g)\nf(1)\nctypes.string_at(0)",
    "libc exit": "import ctypes\nctypes.CDLL(None).exit(0)",
}


@pytest.fixture
def neighbour(client):
    """A session that must not notice anything."""
    id = client.session()
    client.stdout("mine = 'safe'", id)
    yield id
    assert client.stdout("print(mine)", id) == "safe\n"
    client.delete_session(id)


@pytest.mark.parametrize("death", DEATHS)
def test_a_death_is_told_and_the_session_lives_on(client, session, neighbour, death):
    client.stdout("kept = 'yes'", session)
    with client.stream("print('last words', flush=True)\n" + DEATHS[death], session) as stream:
        result = stream.result()
        assert stream.text() == "last words\n"
    assert result["success"] is False
    assert result["status"] == "killed" or (death == "stack" and result["status"] in ("killed", "memory", "error")), result
    if result["status"] == "killed":
        assert result["error"]["type"] == "WorkerDied" and result["error"]["message"]
        if death == "segfault":
            assert "11" in result["error"]["message"], "the signal is named"
    assert_state_is_true(client, session, result, "kept", "yes")
    assert client.stdout("print(6 * 7)", session) == "42\n"


@pytest.mark.parametrize("death", ["os._exit", "segfault"])
def test_files_and_the_id_outlive_a_death(client, session, death):
    client.stdout("open('note.txt', 'w').write('still here')", session)
    client.execute(DEATHS[death], session)
    assert client.stdout("print(open('note.txt').read())", session) == "still here\n"


def test_a_death_with_others_waiting(client, session):
    first = client.start("print('up', flush=True)\nimport time\ntime.sleep(0.2)\nimport os\nos._exit(1)", session)
    second = client.start("print('second')", session)
    with client.events(second) as events:
        assert events.result()["status"] in ("ok", "lost")
    with client.events(first) as events:
        assert events.result()["status"] == "killed"


@pytest.mark.parametrize("code,status", [("sys.exit()", "ok"), ("sys.exit(0)", "ok"), ("sys.exit(3)", "error"), ("sys.exit('why')", "error"),
                                         ("raise SystemExit", "ok"), ("exit()", "ok"), ("quit()", "ok")])
def test_sys_exit_ends_the_cell_and_keeps_the_state(client, session, code, status):
    result = client.execute(f"import sys\nkept = 1\nprint('before')\n{code}\nprint('after')", session)
    assert result["status"] == status and result["output"]["stdout"] == "before\n" and result["state"] == "kept"
    if status == "error":
        assert result["error"]["type"] == "SystemExit"
    assert client.stdout("print(kept)", session) == "1\n"


def test_closing_every_descriptor(client, session, neighbour):
    client.stdout("kept = 1", session)
    result = client.execute("import os\nos.closerange(0, 4096)\nprint('x')", session)
    assert result["status"] in ("killed", "error", "ok", "timeout"), result
    assert_state_is_true(client, session, result, "kept", 1)


def test_junk_into_every_descriptor(client, session, neighbour):
    client.stdout("kept = 1", session)
    code = ("import os\njunk = bytes(range(256)) * 64\nfor fd in range(0, 64):\n    try:\n        os.set_blocking(fd, False)\n        os.write(fd, junk)\n"
            "    except OSError:\n        pass")
    result = client.execute(code, session)
    assert result["status"] in ("killed", "lost", "ok", "error"), result
    after = client.post("/api/v1/execute", {"code": "print('works')", "sessionId": session})
    assert after.status == 200 and after.json["output"]["stdout"] == "works\n", after


def test_reading_from_every_descriptor(client, session, neighbour):
    code = "import os\nfor fd in range(0, 64):\n    try:\n        os.set_blocking(fd, False)\n        os.read(fd, 65536)\n    except OSError:\n        pass\nprint('done')"
    result = client.execute(code, session)
    assert result["status"] in ("killed", "ok"), result
    assert client.stdout("print('works')", session) == "works\n"


def test_forged_frames_are_not_believed(client, session, neighbour):
    """Well-formed `done` frames written by the program itself must not fool the server into a state it cannot leave."""
    code = ("import os, struct\nframe = struct.pack('<IBBHQ', 15, 71, 0, 0, 10**6) + b'{\"status\":\"ok\"}'\n"
            "for fd in range(3, 32):\n    try:\n        os.set_blocking(fd, False)\n        os.write(fd, frame)\n    except OSError:\n        pass\nprint('went on')")
    result = client.execute(code, session)
    assert result["status"] in ("killed", "lost", "ok", "error"), result
    after = client.post("/api/v1/execute", {"code": "print('works')", "sessionId": session})
    assert after.status == 200 and after.json["output"]["stdout"] == "works\n", after


def test_a_thread_that_outlives_the_cell(client, session, neighbour):
    code = "import threading, time\nstop = threading.Event()\ndef work():\n    while not stop.wait(0.001): print('tick')\nt = threading.Thread(target=work, daemon=True); t.start()\nprint('started\\n', end='')"
    result = client.execute(code, session)
    assert result["status"] == "ok" and "started\n" in result["output"]["stdout"]
    second = client.execute("print(f'{t.is_alive()}\\n', end='')\nstop.set()\nt.join()", session)  # whole lines, between which a tick may be
    assert second["status"] == "ok" and "True\n" in second["output"]["stdout"]
    assert client.stdout("print('quiet')", session) == "quiet\n"


def test_a_child_that_outlives_the_cell(client, session, neighbour):
    code = "import subprocess\np = subprocess.Popen(['sh', '-c', 'while :; do echo tick; sleep 0.01; done'])\nprint('started')"
    assert client.execute(code, session)["status"] == "ok"
    second = client.execute("print(p.poll())\np.kill(); p.wait()", session)
    assert second["status"] == "ok" and "None\n" in second["output"]["stdout"]
    assert client.stdout("print('quiet')", session).endswith("quiet\n")


def test_a_forked_copy_of_the_interpreter_that_returns(client, session, neighbour):
    """One answer for one cell, from one interpreter; what the copy prints late is shown once, wherever it falls."""
    first = client.execute("import os\npid = os.fork()\nprint('child' if pid == 0 else 'parent', flush=True)", session)
    assert first["status"] == "ok" and "parent\n" in first["output"]["stdout"]
    texts, numbers = [first["output"]["stdout"]], itertools.count()

    def go_on():
        texts.append(client.stdout(f"print({next(numbers)})", session))
        return "child\n" in "".join(texts)

    until(go_on, "the copy has had its turn")
    for _ in range(5):
        go_on()
    text = "".join(texts)
    assert text.count("child\n") == 1
    assert text.replace("child\n", "") == "parent\n" + "".join(f"{n}\n" for n in range(next(numbers)))


def test_a_daemon_holding_the_output_does_not_hold_the_answer(client, session):
    code = "import os\nif os.fork() == 0:\n    os.setsid()\n    os.execvp('sleep', ['sleep', '1000'])\nprint('answered')"
    assert client.stdout(code, session) == "answered\n"


def test_lone_surrogates(client, session):
    assert client.stdout("print('a\\ud800b')", session) in ("a\ufffdb\n", "a?b\n", "a\\ud800b\n", "a\ufffd\ufffd\ufffdb\n")
    result = client.execute("'\\udfff'", session)
    assert result["status"] == "ok"
    failed = client.execute("raise ValueError('\\ud800')", session)
    assert failed["status"] == "error" and failed["error"]["type"] == "ValueError"
    named = client.execute("x = '\\ud800'", session)
    assert named["status"] == "ok"


def test_surrogates_in_the_request(client, session):
    answer = client.post("/api/v1/execute", b'{"code": "print(\'\\ud800\')", "sessionId": "%s"}' % session.encode())
    assert answer.status in (200, 400), answer
    pair = client.post("/api/v1/execute", b'{"code": "print(\'\\ud83d\\ude00\')", "sessionId": "%s"}' % session.encode())
    assert pair.json["output"]["stdout"] == "😀\n"


def test_bytes_that_are_not_utf_8(client, session):
    text = client.stdout("import os\nos.write(1, b'a\\xff\\xfeb\\xe2\\x82')\n", session)
    assert text.startswith("a\ufffd\ufffdb\ufffd") and set(text) <= set("ab\ufffd")
    assert client.stdout("import sys\nsys.stdout.buffer.write(b'\\x80ok')\nsys.stdout.flush()", session) == "\ufffdok"


def test_a_line_of_50_mb(client, session, neighbour):
    with client.stream("print('x' * 50_000_000)\nprint('end')", session, timeout=110_000) as stream:
        result = stream.result()
    assert result["status"] == "ok"
    got = stream.text()
    if result.get("truncated"):
        assert 0 < len(got) < 50_000_006 and set(got) <= set("xend\n")
    else:
        assert len(got) == 50_000_005 and got.endswith("x\nend\n")
    assert max(len(e.text) for e in stream.seen) < 65536


@pytest.mark.parametrize("bomb", ["x = bytearray(10**12)", "x = []\nwhile True: x.append(bytearray(10_000_000))", "x = b'x' * 10**10",
                                  "import numpy as np\nx = np.ones(10**11)", "import numpy as np\nx = []\nwhile True: x.append(np.ones(10**6))"])
def test_a_memory_bomb(client, session, neighbour, bomb):
    client.stdout("kept = 1", session)
    result = client.execute(bomb, session)
    assert result["status"] in ("memory", "error", "killed"), result
    if result["status"] == "error":
        assert result["error"]["type"] == "MemoryError" or "memory" in result["error"]["message"].lower(), result
    assert_state_is_true(client, session, result, "kept", 1)


def test_a_fork_bomb(client, session, neighbour):
    result = client.execute("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", session, timeout=1500)
    assert result["status"] in ("timeout", "killed", "memory"), result
    assert client.stdout("print('works')", session) == "works\n"


def test_changed_signal_handlers_and_limits(client, session, neighbour):
    code = "import signal, sys\nfor s in range(1, 65):\n    try: signal.signal(s, lambda *a: print('sig'))\n    except (OSError, ValueError): pass\nsys.setrecursionlimit(50)"
    client.execute(code, session)
    assert client.stdout("print('works')", session) == "works\n"
    result = client.execute("import time\nwhile True: time.sleep(0.01)", session, timeout=300)
    assert result["status"] == "timeout"
    assert client.post("/api/v1/execute", {"code": "1", "sessionId": session}).status == 200


def test_broken_streams_and_builtins(client, session):
    for code in ("import sys\nsys.stdout = None", "import sys\nsys.stdout.close()", "import sys\nsys.stderr = 5", "import builtins\nbuiltins.print = None",
                 "import sys\nsys.modules.clear()", "import builtins\ndel builtins.__import__", "import sys\nsys.displayhook = sys.excepthook = None",
                 "globals().clear()", "import sys\nsys.settrace(lambda *a: 1 / 0)"):
        session_id = client.session()
        assert client.post("/api/v1/execute", {"code": code, "sessionId": session_id, "timeout": 5000}).status == 200
        answer = client.post("/api/v1/execute", {"code": "1 + 1", "sessionId": session_id, "timeout": 5000})
        assert answer.status == 200 and answer.json["status"], (code, answer)
        client.delete_session(session_id)
    assert client.stdout("print('works')", session) == "works\n"


def test_atexit_and_del_do_not_run_in_the_way(client, session):
    client.execute("import atexit\natexit.register(lambda: print('late'))\nclass D:\n    def __del__(self): print('del')\nd = D()", session)
    assert client.stdout("del d", session) == "del\n"


@pytest.mark.parametrize("value", ["[]", "{}", "1"])
def test_an_answer_of_millions_of_values_is_not_read(server, client, session, neighbour, value):
    """Three bytes of JSON are more than a hundred as a value: a session that says it for the interpreter could use up the service's memory."""
    def peak():
        return int(re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{server.server_pid()}/status").read_text()).group(1))
    code = ("import sys\nfor name, module in list(sys.modules.items()):\n    if type(getattr(module, '__dict__', {}).get('inspect')).__name__ == 'function':\n"
            f"        module.inspect = lambda request: b'{{\"ok\":true,\"variables\":{{\"a\":[' + b'{value},' * 5_000_000 + b'0]}}}}'\nprint('ready')")
    assert client.stdout(code, session) == "ready\n"
    before = peak()
    assert client.get(f"/api/v1/sessions/{session}/variables").status >= 500
    assert peak() - before < 100_000
    assert client.stdout("print('works')", neighbour) == "works\n"
