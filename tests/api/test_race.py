"""Races: candidates in forks of a session's state, at the same time; the first that ends well is the session, or nothing has happened."""

import json
import threading
import time

import pytest

from harness import processes, until, until_interrupted


def race(client, session, candidates, status=200, **fields):
    return client.expect(status, "POST", f"/api/v1/sessions/{session}/race", {"candidates": candidates, **fields})


def statuses(answer):
    return [r["status"] for r in answer["results"]]


def test_the_first_that_ends_well_is_adopted(client, session):
    client.stdout("x = [1]\ndef g():\n    yield from range(9)\nit = g(); next(it)", session)
    answer = race(client, session, ["1 / 0", "x.append(2); print(next(it))", "while True: pass"])
    assert answer["winner"] == 1 and statuses(answer)[0] in ("error", "killed") and statuses(answer)[1:] == ["ok", "killed"]
    lost, won, beaten = answer["results"]
    assert won["output"]["stdout"] == "1\n" and won["state"] == "kept" and won["executionCount"] == 2
    assert [r["state"] for r in (lost, beaten)] == ["rolledBack"] * 2 and [r["restoredTo"] for r in (lost, beaten)] == [1, 1]
    assert "another candidate" in beaten["error"]["message"] and {r["sessionId"] for r in answer["results"]} == {session}
    result = client.execute("print(x, next(it))", session)
    assert result["output"]["stdout"] == "[1, 2] 2\n" and result["executionCount"] == 3


def test_nobody_wins(client, session):
    client.stdout("x = 1\nimport os; pid = os.getpid()", session)
    answer = race(client, session, ["x = 2; 1 / 0", "x = 3; import os; os._exit(3)", "x = 4; import ctypes; ctypes.string_at(0)"])
    assert answer["winner"] is None and statuses(answer) == ["error", "killed", "killed"]
    assert {r["state"] for r in answer["results"]} == {"rolledBack"}
    result = client.execute("print(x, os.getpid() == pid)", session)
    assert result["output"]["stdout"] == "1 True\n" and result["executionCount"] == 2


def test_none_is_kept(client, session):
    client.stdout("x = 1", session)
    answer = race(client, session, [f"x += {n}; print(x)" for n in range(4)], keep="none")
    assert answer["winner"] is None and statuses(answer) == ["ok"] * 4
    assert [r["output"]["stdout"] for r in answer["results"]] == ["1\n", "2\n", "3\n", "4\n"]
    assert client.stdout("print(x)", session) == "1\n"


def test_they_run_at_the_same_time(client, session):
    """Each waits for the others."""
    meet = "import os, time\nopen('here{0}', 'w').close()\nwhile sum(os.path.exists(f'here{{i}}') for i in range(3)) < 3: time.sleep(0.002)"
    answer = race(client, session, [meet.format(n) for n in range(3)], keep="none")
    assert statuses(answer) == ["ok"] * 3


def test_time_limits_and_deaths(client, session):
    client.stdout("x = 'kept'", session)
    started = time.monotonic()
    answer = race(client, session, ["while True: pass", "try:\n    while True: pass\nexcept BaseException:\n    while True: pass"], timeout=300)
    assert statuses(answer) == ["timeout"] * 2 and answer["winner"] is None and time.monotonic() - started < 20
    assert client.stdout("print(x)", session) == "kept\n"


def test_random_state_differs(client, session):
    client.stdout("import random, numpy as np, uuid, secrets", session)
    code = "print(random.random(), np.random.rand(), uuid.uuid4(), secrets.token_hex())"
    answer = race(client, session, [code] * 4, keep="none")
    seen = [token for r in answer["results"] for token in r["output"]["stdout"].split()]
    assert len(seen) == 16 == len(set(seen))


def test_a_stream_of_all(client, session):
    client.stdout("x = 1", session)
    stream = client.open_stream("POST", f"/api/v1/sessions/{session}/race",
                                {"candidates": ["print('a')\n1 / 0", "print('b' * 9)\nx = 2", until_interrupted("print('c')")]})
    assert stream.status == 200
    seen, texts = [], {}
    for event in stream:
        body = event.json
        assert body["type"] == event.type and body["sessionId"] == session
        seen.append((event.type, body.get("candidate")))
        if event.type == "stdout":
            texts[body["candidate"]] = texts.get(body["candidate"], "") + body["data"]
        if event.type == "candidate":
            assert body["data"]["executionId"] == body["executionId"]
    assert seen[-1] == ("complete", None) and len([t for t, _ in seen if t == "complete"]) == 1
    assert sorted(n for t, n in seen if t == "candidate") == [0, 1, 2]
    assert texts[1] == "bbbbbbbbb\n" and body["data"]["winner"] == 1
    assert body["data"]["results"][1]["status"] == "ok"
    assert client.stdout("print(x)", session) == "2\n"
    one = client.execution(body["data"]["results"][1]["executionId"])
    assert one["status"] == "ok" and one["result"]["output"]["stdout"] == "bbbbbbbbb\n", "each can be asked for by its id"


def test_lines_of_json(client, session):
    answer = client.post(f"/api/v1/sessions/{session}/race", {"candidates": ["1", "2"], "keep": "none"}, headers={"Accept": "application/x-ndjson"})
    lines = [json.loads(line) for line in answer.body.splitlines()]
    assert lines[-1]["type"] == "complete" and sorted(line["candidate"] for line in lines if line["type"] == "candidate") == [0, 1]


def test_the_session_is_busy_meanwhile(client, session):
    client.stdout("x = 1", session)
    answers = []
    code = until_interrupted("open('up', 'w').close()") + "x = 2"
    racing = threading.Thread(target=lambda: answers.append(race(client, session, [code])))
    racing.start()
    until(lambda: client.get(f"/api/v1/sessions/{session}/files/up").status == 200, "the candidate runs")
    assert client.expect(200, "GET", f"/api/v1/sessions/{session}")["busy"] is True
    assert client.post("/api/v1/execute", {"code": "1", "sessionId": session, "queue": False}).status == 409
    assert client.post(f"/api/v1/sessions/{session}/race", {"candidates": ["1"], "queue": False}).status == 409
    queued = client.start("print(x)", session)
    client.expect(202, "POST", f"/api/v1/sessions/{session}/interrupt")
    racing.join()
    assert answers[0]["winner"] == 0
    until(lambda: client.execution(queued)["status"] == "ok", "what waited runs")
    assert client.execution(queued)["result"]["output"]["stdout"] == "2\n"


def test_cancelled_one_by_one(client, session):
    stream = client.open_stream("POST", f"/api/v1/sessions/{session}/race", {"candidates": ["while True: pass"] * 2, "keep": "none"})
    ids = {}
    for event in stream:
        if event.type == "start":
            ids[event.json["candidate"]] = event.json["executionId"]
            if len(ids) == 2:
                for id in ids.values():
                    client.expect(202, "DELETE", f"/api/v1/executions/{id}")
    assert [r["status"] for r in event.json["data"]["results"]] == ["interrupted"] * 2


@pytest.mark.parametrize("way", ["delete", "restart"])
def test_the_session_ends_meanwhile(client, way):
    session = client.session()
    answers = []
    code = "open('up', 'w').close()\nwhile True: pass"
    racing = threading.Thread(target=lambda: answers.append(race(client, session, [code, code])))
    racing.start()
    until(lambda: client.get(f"/api/v1/sessions/{session}/files/up").status == 200, "a candidate runs")
    if way == "delete":
        client.delete_session(session)
    else:
        client.expect(202, "POST", f"/api/v1/sessions/{session}/restart")
    racing.join()
    assert statuses(answers[0]) == ["killed"] * 2 and answers[0]["winner"] is None
    if way == "restart":
        assert client.stdout("print(1)", session) == "1\n"
        client.delete_session(session)


def test_a_client_that_leaves(client, session):
    """onDisconnect: interrupt ends it; the session goes on either way."""
    code = "open('up', 'w').close()\nwhile True: pass"
    stream = client.open_stream("POST", f"/api/v1/sessions/{session}/race", {"candidates": [code], "onDisconnect": "interrupt"})
    stream.next("start")
    until(lambda: client.get(f"/api/v1/sessions/{session}/files/up").status == 200, "a candidate runs")
    stream.close()
    assert client.stdout("print('goes on')", session) == "goes on\n"


def test_the_winner_can_be_forked_and_raced_again(client, session):
    client.stdout("x = 0", session)
    for n in range(1, 6):
        assert race(client, session, ["1 / 0", f"x += 1; assert x == {n}"])["winner"] == 1
    fork = client.expect(201, "POST", f"/api/v1/sessions/{session}/fork")["sessions"][0]["id"]
    assert race(client, fork, ["x += 1"])["winner"] == 0
    assert client.stdout("print(x)", fork) == "6\n" and client.stdout("print(x)", session) == "5\n"
    client.delete_session(fork)


def test_threads_refuse(client, session):
    client.stdout("import threading\ne = threading.Event()\nthreading.Thread(target=e.wait, daemon=True).start()", session)
    assert race(client, session, ["1"], 409)["code"] == "FORK_NOT_POSSIBLE"
    client.stdout("e.set()", session)


def test_given_variables_and_environment(client):
    session = client.session(variables={"a": 1}, envVars={"E": "e"})
    answer = race(client, session, ["import os\nprint(a, b, os.environ['E'], os.environ['F'])"] * 2, keep="none", variables={"b": 2}, envVars={"F": "f"})
    assert [r["output"]["stdout"] for r in answer["results"]] == ["1 2 e f\n"] * 2
    assert client.stdout("print(a, os.environ['E'] if 'os' in globals() else 'none')", session) == "1 none\n"
    client.delete_session(session)


def test_bad_requests(client, session):
    for body in ({}, {"candidates": []}, {"candidates": "1"}, {"candidates": [1]}, {"candidates": [""]}, {"candidates": ["1"] * 21},
                 {"candidates": ["1"], "keep": "all"}, {"candidates": ["a\0b"]}):
        assert client.post(f"/api/v1/sessions/{session}/race", body).status == 400, body
    assert client.post("/api/v1/sessions/00000000-0000-4000-8000-000000000000/race", {"candidates": ["1"]}).status == 404


def test_nothing_is_left(make_server):
    server = make_server(env={"SANDBOX_POOL_SIZE": "0"}).start()
    client = server.client
    before = processes.descendants(server.pid)
    session = client.session()
    code = "import subprocess\nsubprocess.Popen('sleep 1000 & setsid sleep 1000 &', shell=True).wait()\n"
    for keep in ("firstOk", "none"):
        race(client, session, [code + "1 / 0", code, code + "while True: pass"], keep=keep, timeout=2000)
    assert client.stdout("print(1)", session) == "1\n"
    client.delete_session(session)
    until(lambda: not processes.newcomers(server.pid, before), "nothing is left")


def test_checkpoints_stay(client, session):
    """They were taken of an interpreter that the race has ended: woken, each is given the present one's pipes."""
    def checkpoint(name):
        client.expect(201, "POST", f"/api/v1/sessions/{session}/checkpoints", {"name": name})

    def rollback(name):
        return client.expect(200, "POST", f"/api/v1/sessions/{session}/rollback", {"checkpointId": name})

    client.stdout("x = [1]\ng = (i for i in range(9)); next(g)", session)
    checkpoint("before")
    assert race(client, session, ["x.append(2)"])["winner"] == 0
    checkpoint("between")
    assert race(client, session, ["x.append(3); next(g)"])["winner"] == 0
    assert client.stdout("print(x, next(g))\nimport os; os.system('echo child');", session) == "[1, 2, 3] 2\nchild\n"
    for name, x in (("between", [1, 2]), ("before", [1]), ("between", [1, 2]), ("before", [1])):
        assert rollback(name)["restoredTo"] == len(x)
        assert client.stdout("print(x, next(g))", session) == f"{x} 1\n"
        assert race(client, session, ["1 / 0", "x.append(9)"])["winner"] == 1
        assert client.stdout("print(x)", session) == f"{x + [9]}\n"
    result = client.execute("import os\nos._exit(1)", session)
    assert result["state"] == "rolledBack" and client.stdout("print(x[0])", session) == "1\n"


def test_a_death_after_a_race(make_server):
    server = make_server().start()
    client = server.client
    session = client.session(checkpoints="always")
    for n in range(1, 4):
        client.stdout(f"x = {n}", session)
        assert race(client, session, [f"y = {n}"])["winner"] == 0
        result = client.execute("import ctypes\nctypes.string_at(0)", session)
        assert result["state"] == "rolledBack" and result["restoredTo"] > 0
        assert client.stdout("print(x, globals().get('y'))", session).startswith(f"{n} ")
    client.delete_session(session)
