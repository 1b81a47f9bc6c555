"""An interpreter's death of any kind leaves the state before it."""

import pytest

from harness import TIERS, tier_reason, until
from harness.files import Files
from harness.sessions import PROBE, STATE, Busy, Session, make_session, session  # noqa: F401: two are fixtures

DEATHS = {
    "segfault": ("import ctypes\nctypes.string_at(0)", "killed"),
    "exit": ("import os\nos._exit(7)", "killed"),
    "sigkill": ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "killed"),
    "abort": ("import os\nos.abort()", "killed"),
    "closed descriptors": ("import os\nos.closerange(0, 100)", "killed"),
}
# Each says when no interrupt can end it any more.
HANGS = {
    "swallows the interrupt": "while True:\n  try:\n    print('hangs', flush=True)\n    while True: pass\n  except KeyboardInterrupt: pass",
    "ignores the interrupt": "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('hangs', flush=True)\nwhile True: pass",
    "holds the GIL": "import itertools, os\nsum(itertools.chain(map(os.write, [1], [b'hangs\\n']), range(10 ** 13)))",
    "hung repr": "class H:\n  def __repr__(self):\n    while True:\n      try:\n        print('hangs', flush=True)\n        while True: pass\n      except BaseException: pass\nH()",
}


def state_survives(session, code, status, **fields):
    """False: its time was over before it had begun to hang."""
    session.run(STATE)
    result = session.run("x.append(99)\n" + code, **fields)
    assert result["status"] == status, result
    if fields and "hangs\n" not in result["output"]["stdout"]:
        return False
    assert (result["state"], result["restoredTo"]) == ("rolledBack", 1), result
    assert session.says(PROBE) == "[1, 2] 2 True True kept 0 b'abc'\n"
    session.is_held()
    result = session.run(code, **fields)  # and again: the copy that was woken has been copied, too
    assert result["status"] == status, result
    if fields and "hangs\n" not in result["output"]["stdout"]:
        return False
    assert (result["state"], result["restoredTo"]) == ("rolledBack", 3), result
    assert session.says(PROBE) == "[1, 2] 3 True True kept 0 b'abc'\n"
    return True


@pytest.mark.parametrize("death", DEATHS)
def test_state_survives(session, death):
    code, status = DEATHS[death]
    state_survives(session, code, status)


@pytest.mark.parametrize("hang", HANGS)
def test_state_survives_a_hang(make_session, hang):
    assert any(state_survives(make_session(), HANGS[hang], "timeout", timeout=limit) for limit in (300, 3000, 10000))


def test_an_interrupt_that_is_heard_costs_nothing(session):
    """Even in the middle of C code, if that looks for signals."""
    session.run(STATE)
    result = session.run("x.append(99)\nimport re\nre.match(r'(a+)+b', 'a' * 60)", timeout=300)
    assert (result["status"], result["state"]) == ("timeout", "kept"), result
    assert session.says(PROBE) in ("[1, 2, 99] 2 True True kept 0 b'abc'\n", "[1, 2] 2 True True kept 0 b'abc'\n")


BOMBS = {"bytes": "b = []\nwhile True: b.append(b'x' * 10_000_000)", "numpy": "import numpy as np\na = []\nwhile True: a.append(np.ones(2_000_000))"}


@pytest.mark.parametrize("bomb", BOMBS)
def test_state_survives_a_memory_bomb(make_session, bomb):
    session = make_session(resources={"memory": 128 << 20})
    session.run(STATE)
    session.is_held()
    result = session.run(BOMBS[bomb])
    if result["status"] == "error":  # the address space ended before the memory did
        assert result["error"]["type"] in ("MemoryError", "_ArrayMemoryError", "numpy._core._exceptions._ArrayMemoryError") and result["state"] == "kept", result
    else:
        assert (result["status"], result["state"], result["restoredTo"]) == ("memory", "rolledBack", 1), result
    assert session.says(PROBE).startswith("[1, 2] 2 True True kept 0")


def test_several_deaths_in_a_row(session):
    session.run(STATE)
    for _ in range(5):
        result = session.run("import os\nos._exit(1)")
        assert (result["state"], result["restoredTo"]) == ("rolledBack", 1)
    assert session.says(PROBE) == "[1, 2] 2 True True kept 0 b'abc'\n"


def test_what_waits_behind_a_death_runs_on_the_restored_state(session):
    session.run("x = 1")
    session.is_held()
    executions = [session.client.start(code, session.id) for code in ("x = 2\nimport os\nos._exit(1)", "print(x)", "x += 10\nprint(x)")]
    until(lambda: session.client.execution(executions[-1])["status"] == "ok", "all have run")
    results = [session.client.execution(e)["result"] for e in executions]
    assert (results[0]["state"], results[0]["restoredTo"]) == ("rolledBack", 1)
    assert [r["output"]["stdout"] for r in results[1:]] == ["1\n", "11\n"]


def test_a_death_without_anything_to_lose(session):
    result = session.run("import os\nos._exit(1)")
    assert (result["state"], result["restoredTo"]) == ("rolledBack", 0)
    assert session.says("print(1)") == "1\n"


def test_a_session_made_by_an_execution(client):
    """Most are used once, so nothing is copied until somebody comes back."""
    first = client.execute("x = 'there'")
    session = first["sessionId"]
    assert client.expect(200, "GET", f"/api/v1/sessions/{session}/stats")["live"]["processes"] == 2
    result = client.execute("import os\nos._exit(1)", session)
    assert (result["state"], result["restoredTo"]) == ("rolledBack", 1)
    assert client.stdout("print(x)", session) == "there\n"
    client.delete_session(session)


def test_a_death_while_nothing_runs(session):
    """The next execution says so."""
    session.run("x = 1")
    session.is_held()
    session.run("import os, threading, time\ndef die():\n    while not os.path.exists('go'): time.sleep(0.01)\n    os._exit(1)\nthreading.Thread(target=die).start()\nx = 2")
    Files(session.client, session.id).put("go")
    until(lambda: session.stats()["checkpoints"].get("executionCount") == 1 and session.stats()["checkpoints"]["upToDate"], "it has died and is back")
    result = session.run("print(x)")
    assert result["output"]["stdout"] == "1\n" and "after execution 1" in result["notice"], result
    assert "notice" not in session.run("1")


def test_a_hung_repr_in_an_inspection(session):
    session.run(STATE + "class H:\n  def __reduce_ex__(self, n): return int, ((10**7) ** (10**7),)\n  def __repr__(self): import os; os._exit(1)\nh = H()", includeVariables=False)
    for _ in range(2):
        answer = session.client.get(f"{session.path}/variables")
        assert answer.status == 422 and answer.json["state"] == "rolledBack" and answer.json["restoredTo"] == 1, answer
    assert session.says(PROBE) == "[1, 2] 2 True True kept 0 b'abc'\n"


def test_output_before_a_death_is_complete_and_the_next_is_clean(session):
    """Half a frame and bytes in the raw pipes are nobody's but the dead one's."""
    session.run("x = 1")
    result = session.run("import os\nprint('text')\nos.write(1, b'raw ' * 5000)\nos.write(4, b'\\x40\\x00\\x00')\nos._exit(1)")
    assert result["status"] == "killed" and result["state"] == "rolledBack", result
    assert result["output"]["stdout"].startswith("text\n") and result["output"]["stdout"].count("raw ") == 5000
    assert session.says("print(x)") == "1\n"


def test_children_of_the_dead_one_end(session):
    session.run("x = 1")
    session.run("import os, subprocess\nsubprocess.Popen(['sh', '-c', 'while :; do echo noise; done'])\nos._exit(1)")
    assert session.says("print(x)") == "1\n"
    until(lambda: session.stats()["live"]["processes"] == 3, "only init, the interpreter and its copy are left")


def test_what_user_code_does_to_its_copies(session):
    """They are processes of the session: stopped ones are woken all the same, killed ones are gone, and the answer says so."""
    others = "import os, signal\nfor p in os.listdir('/proc'):\n  if p.isdigit() and int(p) not in (1, os.getpid()): os.kill(int(p), signal.%s)\n"
    session.run("x = 1")
    result = session.run(others % "SIGSTOP" + "os._exit(1)")
    assert (result["state"], result["restoredTo"]) == ("rolledBack", 1)
    assert session.says("print(x)") == "1\n"
    session.set("off")
    session.set("adaptive")
    session.is_held()
    result = session.run(others % "SIGKILL" + "os._exit(1)")
    assert result["state"] == "lost" and "restoredTo" not in result, result
    assert session.run("print(x)")["error"]["type"] == "NameError"


def test_at_fork_handlers_that_hang_or_kill(session):
    """They run in a copy that wakes; the next older one takes its place."""
    session.run("x = 1")
    session.checkpoint("good")
    session.run("import os\nos.register_at_fork(after_in_child=lambda: os._exit(1))\nx = 2")
    result = session.run("os._exit(1)")
    assert (result["status"], result["state"], result["restoredTo"]) == ("killed", "rolledBack", 1), result
    assert session.says("print(x)") == "1\n"


def test_random_numbers_differ_after_a_rollback(session):
    session.run("import random, numpy as np, uuid")
    session.checkpoint()
    draw = "print(random.random(), np.random.rand(), uuid.uuid4())"
    seen = set(session.says(draw).split())
    for _ in range(2):
        session.rollback()
        values = set(session.says(draw).split())
        assert not seen & values
        seen |= values


def test_many_processes_do_not_keep_it_from_coming_back(session):
    session.run("x = 1")
    bomb = "import os, signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('forks', flush=True)\nwhile True:\n  try: os.fork()\n  except OSError: pass"
    for limit in (300, 3000, 10000):  # until it has had the time to begin
        result = session.run(bomb, timeout=limit)
        if "forks\n" in result["output"]["stdout"]:
            break
    assert result["status"] in ("timeout", "killed") and result["state"] == "rolledBack", result
    assert session.says("print(x)") == "1\n"


@pytest.mark.parametrize("tier", TIERS)
def test_in_each_tier(make_server, tier):
    if tier_reason(tier):
        pytest.skip(f"tier {tier}: {tier_reason(tier)}")
    server = make_server(tier=tier, env={"SANDBOX_POOL_SIZE": "1"}).start()
    session = Session(server.client)
    session.run(STATE)
    session.checkpoint("named")
    for _ in range(2):
        result = session.run("import os, subprocess\nsubprocess.Popen(['sleep', '5151'])\nos._exit(1)")
        assert (result["status"], result["state"], result["restoredTo"]) == ("killed", "rolledBack", 1), result
    assert session.says(PROBE) == "[1, 2] 2 True True kept 0 b'abc'\n"
    assert session.run("x.append(1)\n1 / 0", transactional=True)["state"] == "rolledBack"
    assert session.rollback("named")["restoredTo"] == 1
    assert session.says(PROBE) == "[1, 2] 2 True True kept 0 b'abc'\n"
    with Busy(session):
        assert session.client.expect(200, "GET", f"{session.path}/variables/x")["stale"]
    until(lambda: server.process_named("sleep 5151") is None, "what the dead one has started ends")
    session.delete()
