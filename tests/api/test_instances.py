"""Several instances: ids that say whose they are, an instance that is emptied, sessions that are moved."""

import hashlib
import json
import os
import subprocess
import threading

import pytest

from harness import BUILD, Client, Server, until

KEYS = {name: f"penny_{name}_0123456789abcdef" for name in ("alice", "bob", "operator")}
LINES = "".join(f"{name}:{hashlib.sha256(key.encode()).hexdigest()}{' access=operator' if name == 'operator' else ''}\n" for name, key in KEYS.items())


class Keyed(Client):
    def __init__(self, server, name):
        super().__init__(server.port)
        self.key = {"X-API-Key": KEYS[name]}

    def _send(self, connection, method, path, body, headers):
        return super()._send(connection, method, path, body, {**self.key, **(headers or {})})


class Instance:
    def __init__(self, server):
        self.server, self.url = server, f"http://127.0.0.1:{server.port}"
        self.alice, self.bob, self.operator = (Keyed(server, name) for name in KEYS)


def start_instance(server):
    keys = server.directory / "keys"
    keys.write_text(LINES)
    keys.chmod(0o600)
    server.args.append(f"--keys-file={keys}")
    server.launch()
    until(server.answers, "the instance answers", 60)
    return Instance(server)


@pytest.fixture
def instance(make_server):
    """A factory of running instances by number."""
    return lambda number: start_instance(make_server(env={"SANDBOX_INSTANCE": f"penny-{number}", "SANDBOX_POOL_SIZE": "2"}))


@pytest.fixture(scope="module")
def here(workplace):
    """Number 42, for tests that leave it as it was."""
    server = Server(workplace / "instance-42", env={"SANDBOX_INSTANCE": "penny-42", "SANDBOX_PROFILE": "open"})
    try:
        yield start_instance(server)
        server.stop()
    finally:
        server.kill()


def drain(instance, *arguments, seconds=100):
    return subprocess.run([BUILD / "penny-sandbox", "drain", "--server", instance.url, *arguments], capture_output=True, text=True, timeout=seconds,
                          env={**os.environ, "SANDBOX_OPERATOR_KEY": KEYS["operator"]})


def test_ids_say_whose_they_are(here):
    session = here.alice.session()
    run = here.alice.start("print(1)", session)
    sandbox = here.alice.expect(201, "POST", "/e2b/sandboxes", {"templateID": "base"})["sandboxID"]
    assert [i[:4] for i in (session, run, sandbox)] == ["0042"] * 3 and session[14] == "4", (session, run, sandbox)
    assert here.alice.get("/health").json["instance"] == 42
    strange = "0007" + session[4:]
    for path in (f"/api/v1/sessions/{strange}", f"/api/v1/sessions/{strange}/files/x", f"/api/v1/executions/{strange}/events", f"/e2b/sandboxes/{strange}"):
        answer = here.alice.get(path)
        assert answer.status == 421, answer
        if path.startswith("/api"):
            assert (answer.json["code"], answer.json["instance"], answer.json["thisInstance"]) == ("WRONG_INSTANCE", 7, 42)
    answer = here.alice.post("/api/v1/execute", {"code": "1", "sessionId": strange})
    assert answer.status == 421 and answer.json["instance"] == 7
    answer = here.alice.post("/api/v1/execute", {"code": "1", "sessionId": "deadbeef-0000-4000-8000-000000000000"})
    assert answer.status == 421 and "without an id" in answer.json["message"]
    assert here.alice.execute("1", "0042" + "0" * 4 + "-0000-4000-8000-000000000000")["success"], "a chosen id of its own"
    assert here.alice.get("/api/v1/sessions/deadbeef-0000-4000-8000-000000000000").status == 404
    unknown = here.alice.get("/api/v1/sessions/0042" + session[4:-1] + ("0" if session[-1] != "0" else "1"))
    assert unknown.status == 404 and "what it had when it was killed is lost" in unknown.json["message"], unknown


def test_only_an_operator_empties_and_moves(here):
    session = here.alice.session()
    for method, path in (("GET", "/api/v1/admin/drain"), ("POST", "/api/v1/admin/drain"), ("DELETE", "/api/v1/admin/drain"),
                         ("POST", f"/api/v1/admin/sessions/{session}/move"), ("DELETE", f"/api/v1/admin/sessions/{session}/move"),
                         ("GET", f"/api/v1/sessions/{session}/export?move=true")):
        answer = here.alice.request(method, path)
        assert answer.status == 403 and answer.json["code"] == "OPERATOR_NEEDED", answer
    archive = here.alice.get(f"/api/v1/sessions/{session}/export").body
    assert here.bob.get(f"/api/v1/sessions/{session}/export").status == 404
    tar = {"Content-Type": "application/x-tar"}
    assert here.bob.expect(201, "POST", "/api/v1/sessions/import", archive, headers=tar)["imported"]["sessionId"] == session
    assert here.alice.request("POST", "/api/v1/sessions/import?owner=bob", archive, tar).status == 403
    assert here.operator.expect(400, "POST", "/api/v1/sessions/import?owner=nobody", archive, headers=tar)["code"] == "VALIDATION_ERROR"
    wanted = "00420000-0000-4000-8000-000000000001"
    assert here.operator.expect(201, "POST", f"/api/v1/sessions/import?owner=alice&sessionId={wanted}", archive, headers=tar)["id"] == wanted
    assert here.alice.get(f"/api/v1/sessions/{wanted}").status == 200 and here.bob.get(f"/api/v1/sessions/{wanted}").status == 404
    again = here.operator.expect(201, "POST", f"/api/v1/sessions/import?owner=alice&sessionId={wanted}", archive, headers=tar)["id"]
    assert again != wanted and again.startswith("0042")
    assert here.operator.expect(409, "POST", f"/api/v1/admin/sessions/{session}/move", {"sessionId": wanted})["code"] == "SESSION_NOT_MOVING"


def test_a_session_that_is_being_moved_waits(here):
    session = here.alice.session()
    here.alice.stdout("x = 1", session)
    assert here.operator.get(f"/api/v1/sessions/{session}/export?move=true").status == 200
    for answer in (here.alice.post("/api/v1/execute", {"code": "x = 2", "sessionId": session}), here.alice.request("PUT", f"/api/v1/sessions/{session}/variables", {"x": 3}),
                   here.alice.delete(f"/api/v1/sessions/{session}"), here.operator.get(f"/api/v1/sessions/{session}/export")):
        assert answer.status == 503 and answer.json["code"] == "SESSION_MOVING" and answer.headers["retry-after"], answer
    assert here.alice.get(f"/api/v1/sessions/{session}/variables").json["variables"]["x"]["value"] == 1
    here.operator.expect(200, "DELETE", f"/api/v1/admin/sessions/{session}/move")
    assert here.alice.stdout("print(x)", session) == "1\n"


def test_drain_moves_every_session_and_its_id_leads_there(instance):
    old, new = instance(1), instance(2)
    sessions = {name: getattr(old, name).session(metadata={"of": name}) for name in ("alice", "bob")}
    for name, session in sessions.items():
        getattr(old, name).stdout(f"who = {name!r}\nopen('f.txt', 'w').write(who)", session)
    busy = old.alice.session()
    run = old.alice.start("y = input()\nprint(y)", busy)
    until(lambda: old.alice.execution(run)["status"] == "inputRequired", "the program waits")
    said = []
    thread = threading.Thread(target=lambda: said.append(drain(old, "--to", new.url)))
    thread.start()
    try:
        until(lambda: old.operator.get("/api/v1/admin/drain").json["moved"] == 2, "the idle ones have moved", 60)
        state = old.operator.get("/api/v1/admin/drain").json
        assert state["draining"] and state["instance"] == 1 and [s["id"] for s in state["sessions"]] == [busy] and state["sessions"][0]["busy"]
        assert old.alice.get("/ready").status == 503 and old.alice.get("/health").json["status"] == "draining"
        refused = old.alice.post("/api/v1/sessions", {})
        assert refused.status == 503 and refused.json["code"] == "DRAINING" and refused.headers["retry-after"]
        assert old.alice.post("/api/v1/execute", {"code": "1"}).status == 503 and old.alice.post(f"/api/v1/sessions/{busy}/fork", {}).status == 503
        assert new.alice.get("/ready").status == 200
    finally:
        old.alice.post(f"/api/v1/executions/{run}/input", {"text": "done"})
        thread.join()
    assert said[0].returncode == 0 and "3 moved, 0 left" in said[0].stdout, said
    for name, session in sessions.items():
        client, there = getattr(old, name), getattr(new, name)
        answer = client.get(f"/api/v1/sessions/{session}/files/f.txt?x=%20")
        moved = answer.json["movedTo"]
        assert answer.status == 308 and answer.json["code"] == "SESSION_MOVED" and moved["instance"] == 2
        assert answer.headers["location"] == f"/api/v1/sessions/{moved['sessionId']}/files/f.txt?x=%20"
        assert there.get(answer.headers["location"]).body == name.encode()
        assert there.stdout("print(who)", moved["sessionId"]) == f"{name}\n"
        answer = client.post("/api/v1/execute", {"code": "1", "sessionId": session})
        assert answer.status == 410 and answer.json["movedTo"] == moved, answer
    assert old.bob.get(f"/api/v1/sessions/{sessions['alice']}").status == 404, "where another's went is nobody's business"
    other = old.alice.get(f"/api/v1/sessions/{busy}").json["movedTo"]["sessionId"]
    assert new.alice.stdout("print(y)", other) == "done\n"
    assert drain(old, "--cancel").returncode == 0 and old.alice.get("/ready").status == 200
    assert old.alice.session().startswith("0001")


def test_what_can_not_be_moved_stays(instance):
    old, full = instance(1), instance(2)
    full.operator.expect(202, "POST", "/api/v1/admin/drain")
    session = old.alice.session()
    old.alice.stdout("x = 1", session)
    done = drain(old, "--to", full.url, "--timeout", "3")
    assert done.returncode == 1 and "1 left" in done.stdout and "did not take it" in done.stderr, done
    assert old.alice.stdout("print(x)", session) == "1\n"
    waits = drain(old, "--timeout", "5")
    assert waits.returncode == 0 and "0 moved, 1 left" in waits.stdout, waits
    old.server.stop()
    assert drain(old).returncode == 125 and drain(full, "--nonsense").returncode == 2


def test_without_keys_the_machine_is_the_operator(client):
    session = client.session()
    assert json.loads(client.get("/api/v1/admin/drain").body)["draining"] is False
    assert session in [s["id"] for s in client.get("/api/v1/admin/drain").json["sessions"]]
