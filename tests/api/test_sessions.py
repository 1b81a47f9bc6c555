"""Sessions: create, look, list, change, delete; and what each does with input it can't use."""

import re
import uuid

import pytest

from harness import until, write_policies

ISO = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
NOBODY = str(uuid.UUID(int=7))


def test_create_answers_the_session(client):
    session = client.expect(201, "POST", "/api/v1/sessions", {"metadata": {"owner": "ada", "n": [1, 2]}})
    assert uuid.UUID(session["id"])
    for field in ("createdAt", "lastActivity", "expiresAt"):
        assert ISO.match(session[field]), (field, session[field])
    assert session["createdAt"] <= session["lastActivity"] < session["expiresAt"]
    assert session["status"] == "active"
    assert session["busy"] is False
    assert session["metadata"] == {"owner": "ada", "n": [1, 2]}
    assert {"memory", "cpu", "executions"} <= set(session["resourceUsage"])
    assert session["resourceUsage"]["executions"] == 0
    client.delete_session(session["id"])


def test_create_without_a_body_equals_an_empty_object(client):
    for body, headers in ((None, {}), (b"", {"Content-Type": "application/json"}), (b"{}", {"Content-Type": "application/json"})):
        answer = client.request("POST", "/api/v1/sessions", body, headers)
        assert answer.status == 201, (body, answer)
        client.delete_session(answer.json["id"])


def test_get_equals_what_create_answered(client):
    created = client.expect(201, "POST", "/api/v1/sessions", {})
    got = client.expect(200, "GET", f"/api/v1/sessions/{created['id']}")
    for field in ("id", "createdAt", "status", "limits", "policy"):
        assert got.get(field) == created.get(field)
    client.delete_session(created["id"])


def test_a_session_counts_its_executions(client, session):
    before = client.expect(200, "GET", f"/api/v1/sessions/{session}")
    for _ in range(3):
        client.stdout("print(1)", session)
    after = client.expect(200, "GET", f"/api/v1/sessions/{session}")
    assert after["resourceUsage"]["executions"] == 3
    assert after["lastActivity"] >= before["lastActivity"]


def test_busy_while_it_runs(client, session):
    execution = client.start("import time\nprint('up')\ntime.sleep(1000)", session)
    with client.events(execution) as events:
        events.next("stdout", "up")
        assert client.expect(200, "GET", f"/api/v1/sessions/{session}")["busy"] is True
        client.expect(202, "DELETE", f"/api/v1/executions/{execution}")
        events.result()
    assert client.expect(200, "GET", f"/api/v1/sessions/{session}")["busy"] is False


def test_patch_merges_metadata(client, session):
    client.expect(200, "PATCH", f"/api/v1/sessions/{session}", {"metadata": {"a": 1, "b": 2}})
    changed = client.expect(200, "PATCH", f"/api/v1/sessions/{session}", {"metadata": {"b": 3}})
    assert changed["metadata"]["b"] == 3
    assert client.expect(200, "GET", f"/api/v1/sessions/{session}")["metadata"] == changed["metadata"]


def test_list_pages_and_sorts(make_server):
    server = make_server().start()
    client = server.client
    assert client.expect(200, "GET", "/api/v1/sessions")["total"] == 0
    ids = [client.session(metadata={"n": n}) for n in range(5)]
    client.execute("1", ids[2])
    client.execute("1", ids[2])
    client.execute("1", ids[0])
    everything = client.expect(200, "GET", "/api/v1/sessions?sortBy=createdAt&sortOrder=asc")
    assert everything["total"] == 5
    assert [s["id"] for s in everything["sessions"]] == ids
    assert everything["limit"] == 20 and everything["offset"] == 0
    page = client.expect(200, "GET", "/api/v1/sessions?sortBy=createdAt&sortOrder=asc&limit=2&offset=1")
    assert [s["id"] for s in page["sessions"]] == ids[1:3] and page["total"] == 5 and page["limit"] == 2 and page["offset"] == 1
    down = client.expect(200, "GET", "/api/v1/sessions?sortBy=createdAt&sortOrder=desc")
    assert [s["id"] for s in down["sessions"]] == ids[::-1]
    most = client.expect(200, "GET", "/api/v1/sessions?sortBy=executions&sortOrder=desc&limit=2")
    assert [s["id"] for s in most["sessions"]] == [ids[2], ids[0]]
    recent = client.expect(200, "GET", "/api/v1/sessions")
    assert recent["sessions"][0]["id"] == ids[0], "lastActivity, newest first, is the default"
    assert client.expect(200, "GET", "/api/v1/sessions?status=idle")["total"] == 0
    assert client.expect(200, "GET", "/api/v1/sessions?status=active")["total"] == 5
    assert client.expect(200, "GET", "/api/v1/sessions?offset=99")["sessions"] == []


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "offset=-1", "sortBy=name", "sortOrder=up", "status=odd"])
def test_list_refuses_what_it_does_not_know(client, query):
    answer = client.get(f"/api/v1/sessions?{query}")
    assert answer.status == 400, answer
    assert_error(answer, 400)


def assert_error(answer, status):
    body = answer.json
    assert body["statusCode"] == status
    assert isinstance(body["code"], str) and body["code"]
    assert isinstance(body["error"], str) and body["error"]
    assert isinstance(body["message"], str) and body["message"]
    assert answer.headers["content-type"].startswith("application/json")


def test_delete_ends_every_process_and_can_be_repeated(server):
    client, session = server.client, server.client.session()
    execution = client.start("import subprocess, time\nsubprocess.Popen(['sleep', '98765'])\nprint('up')\ntime.sleep(1000)", session)
    with client.events(execution) as events:
        events.next("stdout", "up")
        until(lambda: server.process_named("sleep 98765"), "the session's child process is seen")
        answer = client.delete_session(session)
        assert answer["success"] is True and session in answer["message"]
        last = events.rest()[-1]
        assert last.type in ("complete", "error")
    until(lambda: not server.process_named("sleep 98765"), "the session's child process ends")
    client.delete_session(session)
    gone = client.get(f"/api/v1/sessions/{session}")
    assert gone.status in (404, 410), gone


def test_execution_in_a_deleted_session_does_not_revive_its_state(client):
    session = client.session()
    client.stdout("x = 1", session)
    client.delete_session(session)
    answer = client.post("/api/v1/execute", {"code": "print('x' in globals())", "sessionId": session})
    assert answer.status in (404, 410) or answer.json["output"]["stdout"] == "False\n", answer


@pytest.mark.parametrize("method,path", [
    ("GET", "/api/v1/sessions/{}"), ("PATCH", "/api/v1/sessions/{}"), ("GET", "/api/v1/sessions/{}/stats"),
    ("POST", "/api/v1/sessions/{}/interrupt"), ("POST", "/api/v1/sessions/{}/restart"),
])
def test_a_session_that_is_not_there(client, method, path):
    answer = client.request(method, path.format(NOBODY), {} if method != "GET" else None)
    assert_error(answer, 404)
    assert NOBODY in answer.json["message"]
    odd = client.request(method, path.format("not-a-uuid"), {} if method != "GET" else None)
    assert odd.status in (400, 404), odd
    assert_error(odd, odd.status)


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"12", b"null", b'{"metadata": 3}', b'{"a": "\xff"}', b"{}{}", b'{"metadata": {"a": NaN}}'])
def test_create_refuses_a_body_that_is_no_object(client, body):
    answer = client.post("/api/v1/sessions", body)
    assert answer.status == 400, answer
    assert_error(answer, 400)


def test_ids_are_never_given_twice(client):
    ids = [client.session() for _ in range(30)]
    assert len(set(ids)) == 30
    for id in ids:
        client.delete_session(id)


def test_stats(client, session):
    client.stdout("b = bytearray(50_000_000); print(len(b))", session)
    stats = client.expect(200, "GET", f"/api/v1/sessions/{session}/stats")
    assert stats["sessionId"] == session
    assert stats["resourceUsage"]["executions"] == 1
    assert stats["resourceUsage"]["memory"] > 40_000_000
    assert stats["status"] == "active" and stats["uptime"] >= 0 and ISO.match(stats["lastActivity"])


def test_restart_gives_fresh_state_under_the_same_id(client, session):
    client.stdout("x = 1\nopen('kept.txt', 'w').write('kept')", session)
    client.expect(202, "POST", f"/api/v1/sessions/{session}/restart", {})
    assert client.stdout("print('x' in globals())", session) == "False\n"


def test_unknown_path_and_wrong_method(client):
    assert_error(client.get("/api/v1/nothing"), 404)
    wrong = client.request("PUT", "/api/v1/execute", {})
    assert_error(wrong, 405)
    assert "POST" in wrong.headers["allow"]
    assert_error(client.post("/health", {}), 405)


def test_head_and_trailing_slash(client):
    head = client.request("HEAD", "/health")
    assert head.status == 200 and head.body == b""
    assert client.post("/api/v1/execute/", {"code": "1"}).status == 200


def test_request_ids(client):
    assert client.get("/health", headers={"X-Request-Id": "abc-123"}).headers["x-request-id"] == "abc-123"
    made = {client.get("/health").headers["x-request-id"] for _ in range(3)}
    assert len(made) == 3
    forged = client.get("/health", headers={"X-Request-Id": "a b\x7fc" * 100})
    assert forged.headers["x-request-id"] != "a b\x7fc" * 100


def test_health_says_which_layers_hold(client):
    health = client.health()
    assert health["status"] == "healthy"
    assert health["uptime"] >= 0 and ISO.match(health["timestamp"]) and isinstance(health["version"], str)
    assert {"active", "total"} <= set(health["sessions"])
    assert health["isolation"], "each layer: active, or why not"


def test_only_known_hosts_are_answered(client):
    assert client.get("/health", headers={"Host": f"localhost:{client.port}"}).status == 200
    refused = client.get("/health", headers={"Host": "evil.example"})
    assert 400 <= refused.status < 500, refused
    assert_error(refused, refused.status)


def test_a_body_that_is_not_declared_as_json_is_refused(client):
    answer = client.post("/api/v1/execute", b'{"code": "1"}', headers={"Content-Type": "text/plain"})
    assert_error(answer, 415)
    form = client.post("/api/v1/execute", b"code=1", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert_error(form, 415)
    assert client.post("/api/v1/execute", b'{"code": "1"}', headers={"Content-Type": "application/json; charset=utf-8"}).status == 200


def test_cors_is_closed_unless_configured(server, make_server):
    origin = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    closed = server.client.request("OPTIONS", "/api/v1/execute", headers=origin)
    assert "access-control-allow-origin" not in closed.headers
    open_server = make_server(env={"SANDBOX_CORS_ORIGINS": "https://app.example"}).start()
    answer = open_server.client.request("OPTIONS", "/api/v1/execute", headers=origin)
    assert answer.status in (200, 204) and answer.headers["access-control-allow-origin"] == "https://app.example"
    other = open_server.client.request("OPTIONS", "/api/v1/execute", headers={**origin, "Origin": "https://other.example"})
    assert "access-control-allow-origin" not in other.headers


def test_the_least_resources_are_enough_to_run(client):
    """And less is refused, with the bound in words."""
    least = {"memory": 64 << 20, "storage": 1 << 20, "processes": 4, "cpu": 5}
    session = client.session(resources=least)
    assert client.stdout("print(1 + 1)", session) == "2\n"
    limits = client.expect(200, "GET", f"/api/v1/sessions/{session}")["limits"]
    assert {name: limits[name] for name in least} == least
    client.delete_session(session)
    for name, value in least.items():
        answer = client.post("/api/v1/sessions", {"resources": {name: value - 1}})
        assert answer.status == 400 and str(value) in answer.json["message"], answer


def test_stats_tell_the_disk(client, session):
    first = client.expect(200, "GET", f"/api/v1/sessions/{session}/stats")["live"]["disk"]
    assert first["used"] == 0 and first["entries"] <= 1
    client.stdout("import os\nos.mkdir('d')\nopen('d/f', 'w').write('x' * 1_000_000)\nprint(1)", session)
    disk = client.expect(200, "GET", f"/api/v1/sessions/{session}/stats")["live"]["disk"]
    assert 1_000_000 <= disk["used"] < 1_100_000 and disk["entries"] == first["entries"] + 2
    assert "free" not in disk or disk["free"] < first["free"]


def test_stats_of_a_session_that_is_busy(client, session):
    execution = client.start("input()", session)
    until(lambda: client.execution(execution)["status"] == "inputRequired", "it waits")
    live = client.expect(200, "GET", f"/api/v1/sessions/{session}/stats")["live"]
    assert live["processes"] >= 2 and "disk" in live
    client.expect(202, "DELETE", f"/api/v1/executions/{execution}")


def test_more_sessions_than_one_session_may_have_descriptors(make_server, tmp_path):
    """The service has descriptors for each of them, and a session's own limit says nothing about that."""
    policies = write_policies(tmp_path, resources={"process": {"maxOpenFiles": 64}})
    client = make_server(env={"SANDBOX_POLICY_DIR": policies, "SANDBOX_POOL_SIZE": "4"}).start().client
    sessions = [client.session() for _ in range(100)]
    assert client.stdout("print(1)", sessions[-1]) == "1\n"
    assert client.expect(200, "GET", "/api/v1/sessions")["total"] == 100


def test_an_unused_session_hibernates_and_wakes(make_server, tmp_path):
    """Its memory is asked back after a while, what that came to is said, and the next request finds everything."""
    policies = write_policies(tmp_path, resources={"cleanup": {"hibernateAfter": 300, "cleanupInterval": 100}})
    client = make_server(env={"SANDBOX_POLICY_DIR": str(policies)}).start().client
    session = client.session()
    client.stdout("data = bytearray(b'x' * 30_000_000); open('f', 'wb').write(bytes(3_000_000))", session)

    def stats():
        return client.expect(200, "GET", f"/api/v1/sessions/{session}/stats")["hibernation"]

    said = until(lambda: (s := stats())["hibernated"] and len(s) > 1 and s, "it hibernates and says what that gave")
    assert said["reclaimed"] >= 0 and (said["reclaimed"] > 0 or said["reason"]), said
    listed = client.expect(200, "GET", f"/api/v1/sessions/{session}")
    assert listed["status"] in ("active", "idle") and listed["hibernated"] is True
    assert client.stdout("print(len(data), data[-1:], len(open('f', 'rb').read()))", session) == "30000000 bytearray(b'x') 3000000\n"
    before = client.expect(200, "GET", f"/api/v1/sessions/{session}")["expiresAt"]
    until(lambda: client.expect(200, "PATCH", f"/api/v1/sessions/{session}", {"metadata": {"a": 1}})["expiresAt"] > before, "it is renewed")
