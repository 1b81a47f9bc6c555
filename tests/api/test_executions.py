"""Executions in the background, their state, cancelling, interrupting, time limits and the queue."""

import uuid

import pytest

from harness import assert_state_is_true, until, until_interrupted

TERMINAL = ("ok", "error", "timeout", "memory", "interrupted", "killed", "rejected", "lost")
STUBBORN = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"
SWALLOWS = "while True:\n    try:\n        while True: pass\n    except BaseException:\n        pass"


def ended(client, execution):
    return until(lambda: (e := client.execution(execution))["status"] not in ("queued", "running", "inputRequired") and e, "it ends", 60)


def test_in_the_background(client, session):
    answer = client.expect(202, "POST", "/api/v1/executions", {"code": "print('bg')\n2", "sessionId": session})
    assert uuid.UUID(answer["executionId"]) and answer["sessionId"] == session and answer["status"] in ("queued", "running")
    done = ended(client, answer["executionId"])
    assert done["status"] == "ok" and done["sessionId"] == session
    assert done["result"]["output"]["stdout"] == "bg\n" and done["result"]["executionId"] == answer["executionId"]
    assert client.expect(200, "GET", f"/api/v1/execute/status/{answer['executionId']}") == done


def test_an_execution_that_is_not_there(client):
    for method, path in (("GET", "/api/v1/executions/{}"), ("GET", "/api/v1/execute/status/{}"), ("GET", "/api/v1/executions/{}/events"),
                         ("DELETE", "/api/v1/executions/{}"), ("DELETE", "/api/v1/execute/{}")):
        answer = client.request(method, path.format(uuid.uuid4()))
        assert answer.status == 404 and answer.json["code"], (method, path, answer)
        assert client.request(method, path.format("x")).status in (400, 404)


@pytest.mark.parametrize("how", ["DELETE /api/v1/executions/{e}", "DELETE /api/v1/execute/{e}", "POST /api/v1/sessions/{s}/interrupt"])
def test_interrupting_keeps_the_state(client, session, how):
    method, path = how.split()
    client.stdout("kept = 41", session)
    execution = client.start("kept += 1\nprint('up')\nimport time\ntime.sleep(1000)", session)
    with client.events(execution) as events:
        events.next("stdout", "up")
        answer = client.expect(202, method, path.format(e=execution, s=session), {} if method == "POST" else None)
        assert answer["success"] is True
        result = events.result()
    assert result["status"] == "interrupted" and result["state"] == "kept" and result["success"] is False
    assert result["error"]["type"] == "KeyboardInterrupt"
    assert client.stdout("print(kept)", session) == "42\n"


def test_interrupting_a_busy_loop_a_child_and_an_await(client, session):
    for code in ("while True: pass", "import subprocess\nsubprocess.run(['sleep', '1000'])", "import asyncio\nawait asyncio.sleep(1000)",
                 "import numpy as np\na = np.ones((800, 800))\nwhile True: a @ a", "import time\ntime.sleep(1000)"):
        execution = client.start(f"print('up', flush=True)\n{code}", session)
        with client.events(execution) as events:
            events.next("stdout", "up")
            client.expect(202, "DELETE", f"/api/v1/executions/{execution}")
            result = events.result()
        assert result["status"] == "interrupted" and result["state"] == "kept", (code, result)


def test_cancelling_one_that_waits_in_the_queue(client, session):
    running = client.start(until_interrupted("print('up')"), session)
    waiting = client.start("ran = True", session)
    with client.events(running) as events:
        events.next("stdout", "up")
        assert client.execution(waiting)["status"] == "queued"
        client.expect(202, "DELETE", f"/api/v1/executions/{waiting}")
        assert ended(client, waiting)["status"] == "interrupted"
        client.expect(202, "DELETE", f"/api/v1/executions/{running}")
        events.result()
    assert client.stdout("print('ran' in globals())", session) == "False\n"


def test_cancelling_what_has_ended_changes_nothing(client, session):
    execution = client.start("1", session)
    before = ended(client, execution)
    answer = client.delete(f"/api/v1/executions/{execution}")
    assert answer.status in (200, 202, 409), answer
    assert client.execution(execution) == before
    assert client.expect(202, "POST", f"/api/v1/sessions/{session}/interrupt", {})["success"] in (True, False)
    assert client.stdout("print(1)", session) == "1\n", "an interrupt of nothing does not hit the next cell"


def test_a_timeout_interrupts_first(client, session):
    client.stdout("kept = 1", session)
    result = client.execute("print('partial')\nimport time\ntime.sleep(1000)", session, timeout=2500)
    assert result["status"] == "timeout" and result["success"] is False and result["state"] == "kept"
    assert result["output"]["stdout"] == "partial\n"
    assert result["error"]["message"] == "Execution timeout after 2500ms"
    assert_state_is_true(client, session, result, "kept", 1)


@pytest.mark.parametrize("code", [STUBBORN, SWALLOWS, "import re\nre.match(r'(a+)+$', 'a' * 40 + 'b')"], ids=["ignores", "swallows", "regex"])
def test_a_timeout_of_what_ignores_the_interrupt(client, session, code):
    client.stdout("kept = 1", session)
    result = client.execute("print('partial', flush=True)\n" + code, session, timeout=2000)
    assert result["status"] == "timeout" and result["output"]["stdout"] == "partial\n"
    assert_state_is_true(client, session, result, "kept", 1)


def test_a_second_cell_after_a_timeout_has_its_own_clock(client, session):
    client.execute("import time\ntime.sleep(1000)", session, timeout=200)
    assert client.stdout("import time\ntime.sleep(0.4)\nprint('whole')", session) == "whole\n"


def test_the_queue_is_first_in_first_out(client, session):
    running = client.start("order = []\n" + until_interrupted("print('up')"), session)
    with client.events(running) as events:
        events.next("stdout", "up")
        waiting = [client.start(f"order.append({n})", session) for n in range(8)]
        assert {client.execution(e)["status"] for e in waiting} == {"queued"}
        client.expect(202, "DELETE", f"/api/v1/executions/{running}")
    for execution in waiting:
        assert ended(client, execution)["status"] == "ok"
    assert client.stdout("print(order)", session) == "[0, 1, 2, 3, 4, 5, 6, 7]\n"


def test_busy_is_409_when_asked(client, session):
    running = client.start(until_interrupted("print('up')"), session)
    with client.events(running) as events:
        events.next("stdout", "up")
        for path in ("/api/v1/execute", "/api/v1/execute/stream", "/api/v1/executions"):
            busy = client.post(path, {"code": "1", "sessionId": session, "queue": False})
            assert busy.status == 409 and busy.json["statusCode"] == 409, busy
        client.expect(202, "DELETE", f"/api/v1/executions/{running}")
        events.result()
    assert client.post("/api/v1/execute", {"code": "1", "sessionId": session, "queue": False}).status == 200


def test_a_full_queue_is_429(make_server):
    server = make_server(env={"SANDBOX_MAX_QUEUE": "2"}).start()
    client, session = server.client, server.client.session()
    running = client.start(until_interrupted("print('up')"), session)
    with client.events(running) as events:
        events.next("stdout", "up")
        for _ in range(2):
            client.start("1", session)
        full = client.post("/api/v1/executions", {"code": "1", "sessionId": session})
        assert full.status == 429 and int(full.headers["retry-after"]) > 0, full
        client.expect(202, "DELETE", f"/api/v1/executions/{running}")


def test_sessions_run_beside_each_other(client):
    sessions = [client.session() for _ in range(6)]
    executions = [client.start(until_interrupted("print('up')"), s) for s in sessions]
    streams = [client.events(e) for e in executions]
    for stream in streams:
        stream.next("stdout", "up")  # all run at once: each waits for its own interrupt
    for execution, stream in zip(executions, streams):
        client.expect(202, "DELETE", f"/api/v1/executions/{execution}")
        assert stream.result()["status"] == "ok"
        stream.close()
    for session in sessions:
        client.delete_session(session)


def test_an_idle_session_expires(make_server):
    server = make_server(env={"SESSION_TIMEOUT": "400", "CLEANUP_INTERVAL": "100"}).start()
    client, session = server.client, server.client.session()
    made = client.expect(202, "POST", "/api/v1/executions", {"code": until_interrupted("print('up')"), "timeout": 60000})  # busy from its beginning
    running, execution = made["sessionId"], made["executionId"]
    with client.events(execution) as events:
        events.next("stdout", "up")
        gone = until(lambda: (a := client.get(f"/api/v1/sessions?status=active")).json["total"] == 1 and a, "the idle session expires")
        assert [s["id"] for s in gone.json["sessions"]] == [running], "a session that runs is not idle"
        answer = client.post("/api/v1/executions", {"code": "1", "sessionId": session})
        assert answer.status in (404, 410), answer
        if answer.status == 410:
            assert answer.json["message"]
        client.expect(202, "DELETE", f"/api/v1/executions/{execution}")
        events.result()


def test_statuses_are_among_the_declared(client, session):
    for code in ("1", "1/0", "import sys; sys.exit(3)"):
        assert client.execute(code, session)["status"] in TERMINAL
