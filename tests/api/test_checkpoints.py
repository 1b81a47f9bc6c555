"""Nothing is lost: what an interpreter's death leaves, named checkpoints, rollback, transactional executions."""

import time

import pytest

from harness import TIERS, tier_reason, until

# What no pickle holds: a generator half-way, an open file, a lambda, a module's own state, a cycle.
STATE = """
import io, math, tempfile
x = [1, 2]
def counter():
    yield from range(100)
g = counter(); next(g); next(g)
f = lambda: x
file = tempfile.TemporaryFile(); _ = file.write(b'abc'); file.flush()
math.mine = 'kept'
class A: pass
a = A(); a.b = a
"""
PROBE = "print(x, next(g), f() is x, a.b is a, math.mine, file.seek(0), file.read())"


class Session:
    def __init__(self, client, **fields):
        self.client, self.id = client, client.session(**fields)
        self.path = f"/api/v1/sessions/{self.id}"

    def run(self, code, **fields):
        return self.client.execute(code, self.id, **fields)

    def says(self, code):
        return self.client.stdout(code, self.id)

    def checkpoint(self, name=None):
        return self.client.expect(201, "POST", f"{self.path}/checkpoints", {"name": name} if name else {})

    def checkpoints(self):
        return self.client.expect(200, "GET", f"{self.path}/checkpoints")

    def rollback(self, which=None):
        return self.client.expect(200, "POST", f"{self.path}/rollback", {"checkpointId": which} if which else None)

    def set(self, mode):
        assert self.client.expect(200, "PATCH", self.path, {"checkpoints": mode})["checkpoints"] == mode

    def stats(self):
        return self.client.expect(200, "GET", f"{self.path}/stats")

    def is_held(self):
        """Waits until a copy holds all that the session holds."""
        return until(lambda: self.checkpoints()["state"]["upToDate"], "a copy is taken")

    def delete(self):
        self.client.delete_session(self.id)


@pytest.fixture
def make_session(client):
    made = []

    def make(**fields):
        made.append(Session(client, **fields))
        return made[-1]

    yield make
    for session in made:
        session.delete()


@pytest.fixture
def session(make_session):
    return make_session()


# A death of any kind leaves the state before it

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
    session.run("import os, threading, time\nthreading.Thread(target=lambda: (time.sleep(0.05), os._exit(1))).start()\nx = 2")
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
    result = session.run("import os\nwhile True:\n  try: os.fork()\n  except OSError: pass", timeout=300)
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
    assert server.process_named("sleep 5151") is None
    session.delete()


# The setting


def test_always_guarantees_the_last_finished_cell(make_session):
    session = make_session(checkpoints="always")
    n = 0
    for _ in range(40):
        n += 1
        session.run(f"x = {n}")
    result = session.run("import os\nos._exit(1)")
    assert (result["state"], result["restoredTo"]) == ("rolledBack", 40)
    assert session.says("print(x)") == "40\n"


def test_adaptive_never_claims_more_than_is_true(session):
    """Whatever it says it went back to, that is what is there."""
    values = {}
    for n in range(300):
        last = session.run(f"x = {n}")["executionCount"]
        values[last] = n
        if n % 100 == 99:
            result = session.run("import os\nos._exit(1)")
            assert result["state"] == "rolledBack" and result["restoredTo"] <= last
            assert session.says("print(x)") == f"{values[result['restoredTo']]}\n"
            values[last + 2] = values[result["restoredTo"]]


def test_off(make_session):
    session = make_session(checkpoints="off")
    session.run("x = 1")
    result = session.run("import os\nos._exit(1)")
    assert result["state"] == "lost"
    session.run("x = 2")
    session.checkpoint("asked for")
    session.run("x = 3")
    result = session.run("import os\nos._exit(1)")
    assert (result["state"], result["restoredTo"]) == ("rolledBack", 3), "one that was asked for serves all the same"
    assert session.says("print(x)") == "2\n"


def test_the_setting_can_be_changed(session):
    assert session.client.expect(200, "GET", session.path)["checkpoints"] == "adaptive"
    session.run("x = 1")
    session.is_held()
    session.set("off")
    until(lambda: session.stats()["live"]["processes"] == 2, "its copy is dropped")
    session.set("always")
    session.is_held()
    assert session.client.request("PATCH", session.path, {"checkpoints": "sometimes"}).status == 400


def test_the_operator_chooses_the_default(make_server, workplace):
    server = make_server(env={"SANDBOX_POOL_SIZE": "1"})
    policies = workplace / "policies-checkpoints"
    if not policies.exists():
        import shutil
        shutil.copytree(server.tree / "policies", policies)
        text = (policies / "resources.json").read_text()
        (policies / "resources.json").write_text(text.replace('"default": "adaptive"', '"default": "off"').replace('"maxPerSession": 8', '"maxPerSession": 1'))
    server.env["SANDBOX_POLICY_DIR"] = str(policies)
    session = Session(server.start().client)
    assert session.checkpoints()["state"]["mode"] == "off"
    session.checkpoint()
    assert session.client.post(f"{session.path}/checkpoints").json["code"] == "CHECKPOINT_LIMIT"


# Named checkpoints


def test_create_list_rollback_delete(session):
    session.run("x = 1")
    one = session.checkpoint("one")
    assert one["name"] == "one" and one["executionCount"] == 1 and one["createdAt"] and one["memory"] >= 0
    session.run("x = 2")
    two = session.checkpoint()
    assert two["name"] and two["executionCount"] == 2
    assert session.checkpoints()["checkpoints"] == [one, two]
    session.run("x = 3")
    assert session.rollback() == {"checkpointId": two["id"], "name": two["name"], "restoredTo": 2}
    assert session.says("print(x)") == "2\n"
    assert session.rollback(one["id"])["restoredTo"] == 1
    assert session.says("print(x)") == "1\n"
    assert session.rollback("one")["restoredTo"] == 1, "by its name"
    assert session.rollback(two["id"])["restoredTo"] == 2, "the others stay"
    assert session.says("print(x)") == "2\n"
    assert [c["id"] for c in session.checkpoints()["checkpoints"]] == [one["id"], two["id"]]
    assert session.client.expect(200, "DELETE", f"{session.path}/checkpoints/{one['id']}")["success"]
    assert [c["id"] for c in session.checkpoints()["checkpoints"]] == [two["id"]]
    for answer in (session.client.post(f"{session.path}/rollback", {"checkpointId": one["id"]}), session.client.delete(f"{session.path}/checkpoints/{one['id']}")):
        assert answer.status == 404 and answer.json["code"] == "CHECKPOINT_NOT_FOUND"


def test_a_checkpoint_can_be_gone_back_to_any_number_of_times(session):
    session.run(STATE)
    session.checkpoint()
    for _ in range(4):
        session.rollback()
        assert session.says(PROBE) == "[1, 2] 2 True True kept 0 b'abc'\n"


def test_a_death_after_a_rollback_does_not_lead_to_what_was_left(session):
    """A branch that a rollback has left is not gone back to, although it is newer."""
    session.run("x = 1")
    session.checkpoint("one")
    session.run("x = 2")
    session.checkpoint("two")
    session.rollback("one")
    assert session.says("print(x)") == "1\n"
    result = session.run("import os\nos._exit(1)")
    assert result["state"] == "rolledBack"
    assert session.says("print(x)") == "1\n"
    assert session.rollback("two")["restoredTo"] == 2
    assert session.says("print(x)") == "2\n"


def test_a_checkpoint_of_a_fresh_session(session):
    session.checkpoint("nothing yet")
    session.run("x = 1")
    assert session.rollback()["restoredTo"] == 0
    assert session.run("x")["error"]["type"] == "NameError"


def test_there_are_only_so_many(session):
    made = []
    while (answer := session.client.post(f"{session.path}/checkpoints")).status == 201:
        made.append(answer.json["id"])
        session.run(f"x = {len(made)}")
    assert answer.status == 409 and answer.json["code"] == "CHECKPOINT_LIMIT" and len(made) == 8
    session.client.expect(200, "DELETE", f"{session.path}/checkpoints/{made[0]}")
    session.checkpoint()


def test_busy(session):
    session.run("x = 1")
    session.checkpoint()
    execution = session.client.start("print('up')\nwhile True: pass", session.id)
    with session.client.events(execution) as events:
        events.next("stdout", "up")
        for path in ("checkpoints", "rollback"):
            answer = session.client.post(f"{session.path}/{path}")
            assert answer.status == 409 and answer.json["code"] == "SESSION_BUSY", answer
        session.client.expect(202, "DELETE", f"/api/v1/executions/{execution}")
        assert events.result()["status"] == "interrupted"
    session.rollback()


def test_wrong_requests(session):
    for body in ({"name": ""}, {"name": "x" * 101}, {"name": 5}, {"name": "a\0b"}):
        assert session.client.post(f"{session.path}/checkpoints", body).status == 400, body
    assert session.client.post(f"{session.path}/rollback").json["code"] == "CHECKPOINT_NOT_FOUND"
    assert session.client.post(f"{session.path}/rollback", {"checkpointId": "none"}).status == 404
    assert session.client.delete(f"{session.path}/checkpoints/none").status == 404
    missing = "/api/v1/sessions/00000000-0000-4000-8000-000000000000"
    assert session.client.get(f"{missing}/checkpoints").status == session.client.post(f"{missing}/rollback").status == 404
    session.checkpoint("n\u00e4me \U0001f40d")
    assert session.rollback("n\u00e4me \U0001f40d")["restoredTo"] == 0


def test_one_whose_process_is_gone(session):
    session.run("x = 1")
    one = session.checkpoint()
    session.run("import os, signal\nfor p in os.listdir('/proc'):\n  if p.isdigit() and int(p) not in (1, os.getpid()): os.kill(int(p), signal.SIGKILL)")
    until(lambda: session.checkpoints()["checkpoints"] == [], "its end is noticed")
    answer = session.client.post(f"{session.path}/rollback", {"checkpointId": one["id"]})
    assert answer.status == 410 and answer.json["code"] == "CHECKPOINT_GONE", answer
    assert session.says("print(x)") == "1\n"


def test_files_are_not_rolled_back_and_are_no_artifacts_of_the_next_cell(session):
    session.run("x = 1")
    session.checkpoint()
    session.run("_ = open('left.txt', 'w').write('left')")
    session.rollback()
    result = session.run("print(open('left.txt').read())\n_ = open('new.txt', 'w').write('n')")
    assert result["output"]["stdout"] == "left\n"
    assert [a["path"] for a in result.get("artifacts", [])] == ["new.txt"]


def test_restart_keeps_named_ones(session):
    session.run("x = 1")
    session.checkpoint("one")
    session.client.expect(202, "POST", f"{session.path}/restart")
    assert session.run("x")["error"]["type"] == "NameError"
    session.rollback("one")
    assert session.says("print(x)") == "1\n"


def test_a_gigabyte(make_server, workplace):
    """What a checkpoint costs is pages' tables, not pages. A generous limit: the figure is for the documents."""
    import shutil
    server = make_server(env={"SANDBOX_POOL_SIZE": "0", "MAX_MEMORY_PER_SESSION": "4G"})
    session = Session(server.start().client)
    if session.client.health().get("memory", {}).get("available", 4 << 30) < 2 << 30:
        pytest.skip("no room for a gigabyte")
    result = session.run("import numpy as np\na = np.ones(1 << 27)")
    assert result["success"], result["error"]
    session.is_held()
    times = []
    for _ in range(3):
        session.run("x = 1")
        started = time.monotonic()
        session.checkpoint()
        times.append(time.monotonic() - started)
    started = time.monotonic()
    session.rollback()
    times.append(time.monotonic() - started)
    print("ms:", [round(t * 1000, 1) for t in times])
    assert sorted(times)[1] < 0.5, times
    assert session.says("print(a.sum() == 1 << 27)") == "True\n"


# Transactional executions

FAILURES = {
    "exception": ("x.append(1)\n1 / 0", "error", 30000),
    "syntax": ("x.append(1)\n)", "error", 30000),
    "timeout": ("x.append(1)\nwhile True: pass", "timeout", 200),
    "kill": ("x.append(1)\nimport os\nos._exit(1)", "killed", 30000),
    "exit": ("x.append(1)\nraise SystemExit(1)", "error", 30000),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("mode", ["adaptive", "off"])
def test_transactional(make_session, failure, mode):
    session = make_session(checkpoints=mode)
    code, status, timeout = FAILURES[failure]
    session.run(STATE)
    for _ in range(2):
        result = session.run(code, transactional=True, timeout=timeout)
        assert (result["status"], result["state"], result["restoredTo"]) == (status, "rolledBack", 1), result
    assert session.says(PROBE) == "[1, 2] 2 True True kept 0 b'abc'\n"
    result = session.run("x.append(7)", transactional=True)
    assert result["status"] == "ok" and result["state"] == "kept"
    assert session.says("print(x)") == "[1, 2, 7]\n"
    if mode == "off":
        until(lambda: session.stats()["live"]["processes"] == 2, "what it needed is given up")


def test_transactional_on_a_fresh_session(session):
    result = session.run("x = 1\n1 / 0", transactional=True)
    assert (result["status"], result["state"], result["restoredTo"]) == ("error", "rolledBack", 0)
    assert session.run("x")["error"]["type"] == "NameError"


def test_transactional_rejected(standard_server):
    session = Session(standard_server.client)
    session.run("x = 1")
    result = session.run("x = 2\nimport ctypes", transactional=True)
    assert (result["status"], result["state"], result["restoredTo"]) == ("rejected", "rolledBack", 1), result
    assert session.says("print(x)") == "1\n"
    session.delete()


def test_transactional_interrupted_by_its_caller(session):
    session.run("x = 1")
    execution = session.client.start("x = 2\nprint('up')\nwhile True: pass", session.id, transactional=True)
    with session.client.events(execution) as events:
        events.next("stdout", "up")
        session.client.expect(202, "DELETE", f"/api/v1/executions/{execution}")
        result = events.result()
    assert (result["status"], result["state"], result["restoredTo"]) == ("interrupted", "rolledBack", 1)
    assert session.says("print(x)") == "1\n"


def test_variables_that_wait_for_the_next_cell_survive_its_being_undone(make_session):
    session = make_session(variables={"given": 5})
    assert session.run("given = 6\n1 / 0", transactional=True)["state"] == "rolledBack"
    assert session.says("print(given)") == "5\n"


# Threads

THREADS = "import threading\ne = threading.Event()\nt = threading.Thread(target=e.wait)\nt.start()"


def test_threads(session):
    """No copy can hold them: the answer says so and why, and the last good one stays."""
    session.run("x = 1")
    session.is_held()
    result = session.run(THREADS + "\nx = 2")
    assert result["checkpoint"] == {"possible": False, "reason": "1 other thread is alive"}
    answer = session.client.post(f"{session.path}/checkpoints")
    assert answer.status == 409 and answer.json["code"] == "CHECKPOINT_IMPOSSIBLE" and "1 other thread is alive" in answer.json["reason"], answer
    status = session.stats()["checkpoints"]
    assert status["executionCount"] == 1 and not status["upToDate"] and "1 other thread is alive" in status["reason"], status
    result = session.run("x = 3", transactional=True)
    assert result["status"] == "rejected" and result["error"]["type"] == "CheckpointError" and "thread" in result["error"]["message"] and result["state"] == "kept", result
    assert session.says("print(x)") == "2\n"
    result = session.run("import os\nos._exit(1)")
    assert (result["state"], result["restoredTo"]) == ("rolledBack", 1)
    assert session.says("print(x)") == "1\n"


def test_after_the_threads_have_ended(session):
    session.run(THREADS)
    assert "checkpoint" not in session.run("e.set()\nt.join()")
    assert session.checkpoint()["executionCount"] == 2


# Variables while a cell runs


class Busy:
    """The session runs until the end of the block."""

    def __init__(self, session, code="print('up')\nwhile True: pass"):
        self.session, self.code = session, code

    def __enter__(self):
        self.execution = self.session.client.start(self.code, self.session.id)
        with self.session.client.events(self.execution) as events:
            events.next("stdout", "up")
        return self

    def __exit__(self, *_):
        self.session.client.expect(202, "DELETE", f"/api/v1/executions/{self.execution}")
        until(lambda: self.session.client.execution(self.execution)["status"] not in ("queued", "running"), "it ends")


def test_variables_while_a_cell_runs(session):
    session.run("import pandas as pd\nx = 5\ndf = pd.DataFrame({'a': range(500)})")
    session.is_held()
    times = []
    with Busy(session, "x = 6\nprint('up')\nwhile True: pass"):
        for _ in range(5):
            started = time.monotonic()
            found = session.client.expect(200, "GET", f"{session.path}/variables")
            times.append(time.monotonic() - started)
            assert found["stale"] is True and found["asOf"] == 1 and found["variables"]["x"]["value"] == 5, found
        one = session.client.expect(200, "GET", f"{session.path}/variables/x")
        assert (one["value"], one["stale"], one["asOf"]) == (5, True, 1), one
        page = session.client.expect(200, "GET", f"{session.path}/variables/df?offset=100&limit=2")
        assert page["stale"] is True
        assert session.client.get(f"{session.path}/variables/nothing").status == 404
        assert "family" not in session.client.expect(200, "GET", session.path), "who reads is no fork"
        answer = session.client.request("PUT", f"{session.path}/variables", {"x": 7})
        assert answer.status == 409 and answer.json["code"] == "SESSION_BUSY", "what changes must wait"
        until(lambda: session.stats()["live"]["processes"] == 3, "no reader stays")
    print("ms:", [round(t * 1000, 1) for t in times])
    assert sorted(times)[2] < 0.5, times  # 50 ms are promised; a busy machine is given more
    found = session.client.expect(200, "GET", f"{session.path}/variables")
    assert "stale" not in found and found["variables"]["x"]["value"] == 6
    result = session.run("import os\nos._exit(1)")
    assert result["state"] == "rolledBack" and session.says("print(len(df))") == "500\n", "the copy that was read from is a checkpoint still"


def test_variables_while_a_cell_runs_and_there_is_no_copy(make_session):
    session = make_session(checkpoints="off")
    session.run("x = 5")
    with Busy(session):
        answer = session.client.get(f"{session.path}/variables")
        assert answer.status == 409 and answer.json["code"] == "SESSION_BUSY", answer


def test_a_copy_that_dies_over_what_it_is_asked(session):
    session.run("x = 5\nclass H:\n  def __repr__(self): import os; os._exit(1)\nh = H()", includeVariables=False)
    session.is_held()
    with Busy(session):
        answer = session.client.get(f"{session.path}/variables")
        assert answer.status == 409 and answer.json["code"] == "SESSION_BUSY", answer
        assert session.client.expect(200, "GET", f"{session.path}/variables/x")["value"] == 5, "the copy itself has not died"


def test_many_read_while_a_cell_runs(session):
    from concurrent.futures import ThreadPoolExecutor
    session.run("x = 5")
    session.is_held()
    with Busy(session), ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: session.client.get(f"{session.path}/variables/x"), range(16)))
        assert all(a.status == 200 and a.json["value"] == 5 for a in answers), answers


# Limits


def test_copies_end_with_their_session(make_server):
    server = make_server(env={"SANDBOX_POOL_SIZE": "0"}).start()
    session = Session(server.client)
    session.run("x = 1")
    for _ in range(4):
        session.checkpoint()
        session.run("x += 1")
    assert session.stats()["live"]["processes"] >= 6
    session.delete()
    server.stop()  # which looks for what is left


def test_a_copy_that_could_make_memory_run_out_is_not_taken(make_session):
    session = make_session(resources={"memory": 256 << 20})
    session.run("x = 1")
    session.is_held()
    session.run("import numpy as np\na = np.ones(22_000_000)")
    status = session.stats()["checkpoints"]
    assert not status["upToDate"] and "memory" in status["reason"], status
    assert session.says("a += 1\nprint(a[0])") == "2.0\n", "it may change all of it"
    session.set("always")
    session.is_held()


def test_metrics(client, session):
    def count(name):
        return next(float(line.split()[1]) for line in client.get("/metrics").body.decode().splitlines() if line.startswith(name + " "))

    before = count("penny_checkpoint_duration_seconds_count"), count("penny_restore_duration_seconds_count")
    session.run("x = 1")
    session.checkpoint()
    session.rollback()
    assert count("penny_checkpoint_duration_seconds_count") > before[0] and count("penny_restore_duration_seconds_count") == before[1] + 1
