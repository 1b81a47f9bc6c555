"""When copies are taken, named checkpoints and rollback, and what can't be copied."""

import time

import pytest

from harness import until
from harness.sessions import PROBE, STATE, Session, make_session, session  # noqa: F401: two are fixtures


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
    session.run("import os, signal\nfor p in os.listdir('/proc'):\n  if p.isdigit() and int(p) not in (1, os.getpid()):\n    try: os.kill(int(p), signal.SIGKILL)\n"
                "    except ProcessLookupError: pass")
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
    """What a checkpoint costs is pages' tables, not pages. A generous limit for the fastest: the figures are for the documents."""
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
    assert min(times) < 0.5, times
    if session.client.health()["isolation"]["layers"]["cgroupMemory"]["active"]:
        assert session.stats()["live"]["memory"] < 3 << 29, "there is one gigabyte"
    assert session.says("print(a.sum() == 1 << 27)") == "True\n"


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


LEAVES_LATE = """
import ctypes, threading
c, key = ctypes.CDLL(None), ctypes.c_uint()
c.pthread_key_create(ctypes.byref(key), ctypes.cast(c.usleep, ctypes.c_void_p))  # called with the thread's value at its very end, when Python knows it no more
t = threading.Thread(target=lambda: c.pthread_setspecific(key, ctypes.c_void_p(10000)))
t.start()
t.join()
"""


def test_a_thread_that_was_joined_may_take_the_kernel_a_while(session):
    result = session.run(LEAVES_LATE)
    assert result["success"] and "checkpoint" not in result, result
    assert session.checkpoint()["executionCount"] == 1


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
