"""API keys: who may come in, what each sees, how much each gets."""

import hashlib
import re
import signal
import subprocess
import threading

import pytest

from harness import ROOT, Client, until


class Keyed(Client):
    """A client that carries a key."""

    def __init__(self, server, key, header="Authorization"):
        super().__init__(server.port)
        self.key = {header: f"Bearer {key}" if header == "Authorization" else key}

    def _send(self, connection, method, path, body, headers):
        return super()._send(connection, method, path, body, {**self.key, **(headers or {})})


KEYS = {name: f"penny_{name}_" + "0123456789abcdef" for name in ("alice", "bob", "carol", "prometheus", "opener")}


def line(name, options=""):
    return f"{name}:{hashlib.sha256(KEYS[name].encode()).hexdigest()} {options}\n"


@pytest.fixture
def keyed_server(make_server):
    """A factory: keyed_server(text of the keys file, arguments...)."""
    def start(text, *args, **env):
        server = make_server(env=env)
        server.keys = server.directory / "keys"
        server.keys.write_text(text)
        server.keys.chmod(0o600)
        server.args += [f"--keys-file={server.keys}", *args]
        server.launch()
        server.client = Client(server.port)
        until(server.answers, "the server is ready", 60)
        return server

    return start


def test_without_a_key_nothing_but_probes_and_the_page(keyed_server):
    server = keyed_server("# a comment\n\n" + line("alice"))
    for method, path in (("POST", "/api/v1/execute"), ("GET", "/api/v1/sessions"), ("DELETE", "/api/v1/sessions/x"), ("GET", "/metrics"),
                         ("GET", "/api/v1/executions/x/events")):
        answer = server.client.request(method, path, {} if method == "POST" else None)
        assert answer.status == 401 and answer.json["code"] == "API_KEY_REQUIRED" and answer.json["statusCode"] == 401, answer
        assert answer.headers["www-authenticate"] == 'Bearer realm="penny-sandbox"'
    for path in ("/health", "/ready"):
        assert server.client.get(path).status == 200
    assert server.client.get("/").status in (200, 404), "the page, where it is built, can be loaded to ask for a key"


@pytest.mark.parametrize("header,key", [("Authorization", "wrong"), ("X-API-Key", "wrong"), ("X-API-Key", ""),
                                        ("Authorization", KEYS["alice"][:-1]), ("X-API-Key", KEYS["alice"] + "x"), ("X-API-Key", "x" * 7000)])
def test_wrong_keys(keyed_server, header, key):
    server = keyed_server(line("alice"))
    answer = Keyed(server, key, header).get("/api/v1/sessions")
    assert answer.status == 401 and answer.json["code"] == "API_KEY_INVALID", answer
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert server.client.get("/api/v1/sessions", headers={"Authorization": "Basic " + KEYS["alice"]}).status == 401
    assert Keyed(server, KEYS["alice"]).get("/api/v1/sessions").status == 200


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key", "authorization"])
def test_right_keys(keyed_server, header):
    server = keyed_server(line("alice"))
    client = Keyed(server, KEYS["alice"], "Authorization" if header == "authorization" else header)
    assert client.stdout("print(6 * 7)") == "42\n"
    assert server.client.get("/api/v1/sessions", headers={"authorization": f"bearer {KEYS['alice']}"}).status == 200


def test_each_sees_only_its_own(keyed_server):
    server = keyed_server(line("alice") + line("bob"))
    alice, bob = (Keyed(server, KEYS[name]) for name in ("alice", "bob"))
    session = alice.session()
    execution = alice.start("secret = input()", session)
    until(lambda: alice.execution(execution)["status"] == "inputRequired", "the program waits for input")
    for method, path, body in [
        ("GET", f"/api/v1/sessions/{session}", None), ("PATCH", f"/api/v1/sessions/{session}", {}), ("DELETE", f"/api/v1/sessions/{session}", None),
        ("GET", f"/api/v1/sessions/{session}/stats", None), ("POST", f"/api/v1/sessions/{session}/interrupt", {}),
        ("POST", f"/api/v1/sessions/{session}/restart", {}), ("GET", f"/api/v1/sessions/{session}/variables", None),
        ("PUT", f"/api/v1/sessions/{session}/variables", {"secret": 1}), ("GET", f"/api/v1/sessions/{session}/files", None),
        ("GET", f"/api/v1/sessions/{session}/files/x", None), ("PUT", f"/api/v1/sessions/{session}/files/x", b"x"),
        ("DELETE", f"/api/v1/sessions/{session}/files/x", None), ("GET", f"/api/v1/executions/{execution}", None),
        ("GET", f"/api/v1/executions/{execution}/events", None), ("DELETE", f"/api/v1/executions/{execution}", None),
        ("POST", f"/api/v1/executions/{execution}/input", {"text": "x"}), ("POST", "/api/v1/execute", {"code": "1", "sessionId": session}),
    ]:
        answer = bob.request(method, path, body)
        assert answer.status == 404, (method, path, answer)
        missing = bob.request(method, path.replace(session, "00000000-0000-4000-8000-000000000000").replace(
            execution, "00000000-0000-4000-8000-000000000000"), body) if path != "/api/v1/execute" else None
        assert missing is None or missing.json["code"] == answer.json["code"], "not to be told from what does not exist"
    assert bob.expect(200, "GET", "/api/v1/sessions")["total"] == 0
    assert alice.expect(200, "GET", "/api/v1/sessions")["total"] == 1
    assert alice.execution(execution)["status"] == "inputRequired", "nothing of it was touched"
    alice.expect(202, "POST", f"/api/v1/executions/{execution}/input", {"text": "kept"})
    assert alice.stdout("print(secret)", session) == "kept\n"
    alice.delete_session(session)
    assert alice.get(f"/api/v1/sessions/{session}").status == 410
    assert bob.get(f"/api/v1/sessions/{session}").status == 404
    assert bob.delete(f"/api/v1/sessions/{session}").status == 404
    assert bob.expect(200, "GET", "/api/v1/sessions?status=terminated")["total"] == 0
    assert alice.expect(200, "GET", "/api/v1/sessions?status=terminated")["total"] == 1


def test_an_id_of_ones_own_choice_is_no_way_into_another_s_session(keyed_server):
    server = keyed_server(line("alice") + line("bob"), "--pool-size=0")
    chosen = "6e5b1d7e-1111-4222-8333-444455556666"
    statuses = {}

    def run(name):
        statuses[name] = Keyed(server, KEYS[name]).post("/api/v1/execute", {"code": f"who = '{name}'", "sessionId": chosen}).status

    threads = [threading.Thread(target=run, args=(name,)) for name in ("alice", "bob")]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(statuses.values()) in ([200, 404], [200, 409]), statuses
    winner = next(name for name, status in statuses.items() if status == 200)
    assert Keyed(server, KEYS[winner]).stdout("print(who)", chosen) == f"{winner}\n"


def test_sessions_quota(keyed_server):
    server = keyed_server(line("alice", "sessions=2") + line("bob"))
    alice, bob = Keyed(server, KEYS["alice"]), Keyed(server, KEYS["bob"])
    first, _ = alice.session(), alice.session()
    for answer in (alice.post("/api/v1/sessions", {}), alice.post("/api/v1/execute", {"code": "1"})):
        assert answer.status == 429 and answer.json["code"] == "QUOTA_EXCEEDED", answer
        assert int(answer.headers["retry-after"]) >= 1 and answer.json["retryAfter"] >= 1
    bob.session()
    alice.delete_session(first)
    alice.session()


def test_running_at_once_and_fair_turns(keyed_server):
    """Alice has filled the queue; Bob, who comes last, runs before most of what she has waiting."""
    server = keyed_server(line("alice", "executions=2") + line("bob"), MAX_CONCURRENT_EXECUTIONS="3")
    alice, bob = Keyed(server, KEYS["alice"]), Keyed(server, KEYS["bob"])
    sessions = [alice.session() for _ in range(5)]
    runs = [alice.start("input()", s) for s in sessions]

    def waiting():
        return [r for r in runs if alice.execution(r)["status"] == "inputRequired"]

    until(lambda: len(waiting()) == 2, "two run")
    assert [alice.execution(r)["status"] for r in runs[2:]] == ["queued"] * 3
    assert bob.stdout("print('bob')") == "bob\n", "the third place is his"
    assert alice.post("/api/v1/execute", {"code": "1", "sessionId": alice.session(), "queue": False}).status == 429
    for run in runs:
        until(lambda: alice.execution(run)["status"] == "inputRequired", "its turn has come")
        assert len(waiting()) <= 2
        alice.expect(202, "POST", f"/api/v1/executions/{run}/input", {"text": ""})
    for run in runs:
        until(lambda: alice.execution(run)["status"] == "ok", "it ends")


def test_turns_go_round_between_keys(keyed_server):
    server = keyed_server(line("alice") + line("bob"), MAX_CONCURRENT_EXECUTIONS="1")
    clients = {name: Keyed(server, KEYS[name]) for name in ("alice", "bob")}
    holder = clients["alice"].start("input()")
    until(lambda: clients["alice"].execution(holder)["status"] == "inputRequired", "one runs")
    runs = [(name, clients[name].start("import time; print(time.monotonic_ns())", clients[name].session()))
            for name in ["alice"] * 6 + ["bob"] * 2]
    clients["alice"].expect(202, "POST", f"/api/v1/executions/{holder}/input", {"text": ""})

    def when(name, run):
        until(lambda: clients[name].execution(run)["status"] == "ok", "it ends")
        return int(clients[name].execution(run)["result"]["output"]["stdout"])

    order = [name for _, name in sorted((when(name, run), name) for name, run in runs)]
    assert order[:4].count("bob") == 2, f"bob's two wait behind at most two of alice's: {order}"


def test_processor_time(keyed_server):
    server = keyed_server(line("alice", "cpu=1") + line("bob"))
    alice = Keyed(server, KEYS["alice"])
    session = alice.session()
    alice.execute("import time\nend = time.process_time() + 2\nwhile time.process_time() < end: pass", session)
    answer = alice.post("/api/v1/execute", {"code": "1", "sessionId": session})
    assert answer.status == 429 and answer.json["code"] == "QUOTA_EXCEEDED" and "processor" in answer.json["message"], answer
    assert 10 < int(answer.headers["retry-after"]) <= 150, "a second and little more beyond the budget of one a minute"
    assert Keyed(server, KEYS["bob"]).stdout("print(1)") == "1\n"
    metrics = Keyed(server, KEYS["bob"]).get("/metrics").body.decode()
    assert re.search(r'penny_policy_denials_total\{policy="key_cpu"\} [1-9]', metrics)


def test_requests_a_minute(keyed_server):
    server = keyed_server(line("alice", "requests=5") + line("bob"))
    alice = Keyed(server, KEYS["alice"])
    answers = [alice.get("/api/v1/sessions") for _ in range(7)]
    assert [a.status for a in answers] == [200] * 5 + [429] * 2
    assert [a.headers["x-ratelimit-remaining"] for a in answers] == ["4", "3", "2", "1", "0", "0", "0"]
    assert answers[-1].json["code"] == "RATE_LIMIT_EXCEEDED" and 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert Keyed(server, KEYS["bob"]).get("/api/v1/sessions").status == 200


def test_profiles(keyed_server):
    server = keyed_server(line("alice", "profiles=standard") + line("opener", "profiles=open,standard"), SANDBOX_PROFILE="standard")
    alice, opener = Keyed(server, KEYS["alice"]), Keyed(server, KEYS["opener"])
    answer = alice.post("/api/v1/sessions", {"policy": "open"})
    assert answer.status == 403 and answer.json["code"] == "PROFILE_NOT_ALLOWED" and "allowed: standard" in answer.json["message"], answer
    assert alice.execute("import subprocess")["status"] == "rejected"
    assert opener.execute("import subprocess")["status"] == "ok", "the first of its list is its default"
    assert opener.execute("import subprocess", opener.session(policy="standard"))["status"] == "rejected"


def test_profiles_of_the_service(make_server):
    server = make_server(env={"SANDBOX_PROFILE": "standard", "SANDBOX_PROFILES": "standard"}).start()
    assert server.client.post("/api/v1/sessions", {"policy": "open"}).status == 403
    server.client.session(policy="standard")


def test_a_key_for_metrics_only(keyed_server):
    server = keyed_server(line("prometheus", "access=metrics") + line("alice"))
    client = Keyed(server, KEYS["prometheus"])
    assert client.get("/metrics").status == 200
    answer = client.get("/api/v1/sessions")
    assert answer.status == 403 and answer.json["code"] == "API_KEY_NOT_ALLOWED"


def test_keys_are_read_again_on_hangup(keyed_server):
    server = keyed_server(line("alice"))
    alice, bob = Keyed(server, KEYS["alice"]), Keyed(server, KEYS["bob"])
    session = alice.session()
    assert bob.get("/api/v1/sessions").status == 401
    # Alice gets a second key, Bob his first.
    second = hashlib.sha256(b"another key of alice").hexdigest()
    server.keys.write_text(line("alice") + f"alice:{second}\n" + line("bob"))
    server.signal(signal.SIGHUP)
    until(lambda: bob.get("/api/v1/sessions").status == 200, "bob's key is known")
    assert Keyed(server, "another key of alice").get(f"/api/v1/sessions/{session}").status == 200
    assert alice.get(f"/api/v1/sessions/{session}").status == 200
    # A file that is wrong changes nothing.
    server.keys.write_text("alice\n")
    server.signal(signal.SIGHUP)
    until(lambda: "line 1: NAME:SHA256 is wanted" in server.log(), "it is said")
    assert alice.get("/api/v1/sessions").status == bob.get("/api/v1/sessions").status == 200
    # A key that is gone is worth nothing.
    server.keys.write_text(line("bob"))
    server.signal(signal.SIGHUP)
    until(lambda: alice.get("/api/v1/sessions").status == 401, "alice's key is gone")
    assert bob.get(f"/api/v1/sessions/{session}").status == 404


def test_keys_from_the_environment(make_server):
    server = make_server(env={"SANDBOX_API_KEYS": f"alice:{KEYS['alice']}, {KEYS['bob']}"}).start()
    assert server.client.get("/api/v1/sessions").status == 401
    alice, other = Keyed(server, KEYS["alice"]), Keyed(server, KEYS["bob"])
    id = alice.session()
    assert other.get(f"/api/v1/sessions/{id}").status == 404 and other.session()
    assert KEYS["alice"] not in alice.stdout("import os; print(dict(os.environ)); print(open('/proc/self/environ').read())")


def test_the_command_that_makes_a_key(keyed_server, server):
    made = subprocess.run([server.executable, "key", "dave"], capture_output=True, text=True, timeout=60, check=True).stdout
    key, text = re.search(r"(penny_[A-Za-z0-9_-]{43})", made)[1], re.search(r"^(dave:[0-9a-f]{64})$", made, re.M)[1]
    assert hashlib.sha256(key.encode()).hexdigest() == text.split(":")[1]
    assert key not in subprocess.run([server.executable, "key", "dave"], capture_output=True, text=True).stdout
    assert Keyed(keyed_server(text + "\n"), key).stdout("print(1)") == "1\n"
    refused = subprocess.run([server.executable, "key", "no spaces"], capture_output=True, text=True)
    assert refused.returncode == 1 and "a name is" in refused.stderr


@pytest.mark.parametrize("text,message", [
    ("alice:1234\n", "line 1: after the name a SHA-256"), ("\n# x\nbo b:" + "0" * 64, "line 3: NAME:SHA256 is wanted"),
    (line("alice", "sessions=many"), "sessions=many: a number is wanted"), (line("alice", "color=red"), "there is no option color"),
    (line("alice", "profiles=free"), "there is none called"), (line("alice") + line("alice").replace("alice", "bob"), "the key of bob is given twice, also to alice"),
])
def test_a_wrong_file_is_no_start(make_server, text, message):
    server = make_server()
    keys = server.directory / "keys"
    keys.write_text(text)
    server.args += [f"--keys-file={keys}"]
    server.launch()
    assert server.wait() == 1
    assert message in server.log(), server.log()


def test_addresses_that_others_reach_need_keys(make_server):
    server = make_server(env={"SANDBOX_HOST": "0.0.0.0"})
    server.launch()
    assert server.wait() == 1
    assert "there are no API keys" in server.log() and "--allow-anonymous=on" in server.log()
    allowed = make_server(env={"SANDBOX_HOST": "0.0.0.0", "SANDBOX_ALLOW_ANONYMOUS": "on"}).start()
    assert "without API keys: whoever reaches it may run programs here" in allowed.log()
    assert allowed.client.stdout("print(1)") == "1\n"
    keyed = make_server(env={"SANDBOX_HOST": "0.0.0.0", "SANDBOX_API_KEYS": KEYS["alice"]}).start()
    assert Keyed(keyed, KEYS["alice"]).stdout("print(1)") == "1\n"


SLOW = "import time\nclass Slow:\n    def __repr__(self):\n        end = time.process_time() + 0.2\n        while time.process_time() < end: pass\n        return 'slow'\n"


def test_time_for_looking_at_things_is_processor_time_too(keyed_server):
    """Describing a value runs its own code, and so does parsing: both are paid for, and refused when there is nothing left."""
    alice = Keyed(keyed_server(line("alice", "cpu=1")), KEYS["alice"])
    session = alice.session()
    # Half of the second, so that one list, which takes a second at least, leaves nothing for long.
    alice.execute(SLOW + "for i in range(8): globals()[f'slow{i}'] = Slow()\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass", session, includeVariables=False)
    assert alice.get(f"/api/v1/sessions/{session}/variables").status == 200
    refused = alice.get(f"/api/v1/sessions/{session}/variables/slow0")
    assert refused.status == 429 and refused.json["code"] == "QUOTA_EXCEEDED" and int(refused.headers["retry-after"]) >= 1, refused
    assert alice.request("PUT", f"/api/v1/sessions/{session}/variables", {"x": 1}).status == 429
    assert alice.post("/api/v1/validate", {"code": "1"}).status == 429
    assert alice.post("/api/v1/execute", {"code": "1", "sessionId": session}).status == 429
    shown = alice.expect(200, "GET", f"/api/v1/sessions/{session}")
    assert "variables" not in shown, "the session itself can be seen, what costs time is left out"


ROUTES = sorted(set(re.findall(r'\{HTTP_([A-Z]+), "([^"]*\{[^"]+)"', (ROOT / "server/route_table.c").read_text())))


def test_no_route_reaches_what_is_another_s(keyed_server):
    """Every route with an id in it, asked by a key whose it is not, answers as if there were no such thing; and nothing has happened."""
    server = keyed_server(line("alice") + line("bob"))
    alice, bob = Keyed(server, KEYS["alice"]), Keyed(server, KEYS["bob"])
    session = alice.session()
    done = alice.execute("x = 1\nopen('f', 'w').write('secret')\nimport matplotlib.pyplot as plt\nplt.plot([1]); plt.show()", session)
    plot = alice.expect(200, "GET", f"/api/v1/sessions/{session}/plots")["plots"][0]["id"]
    running = alice.start("input()", alice.session())
    until(lambda: alice.execution(running)["status"] == "inputRequired", "it waits")
    tried = 0
    for method, pattern in ROUTES:
        if "{id}" not in pattern and "{sessionId}" not in pattern:
            continue
        for id in (session, done["executionId"], running):
            path = re.sub(r"\{(\w+)(?:\.\.\.)?\}", lambda m: {"id": id, "sessionId": id, "name": "x", "path": "f", "plotId": plot}.get(m[1], id), pattern)
            answer = bob.request(method, path, {} if method in ("POST", "PUT", "PATCH") else None)
            assert answer.status >= 400 and b"secret" not in answer.body, (method, path, answer)
            if pattern.startswith("/api/v1/admin/"):  # of no key but the operator's, whatever the id
                assert answer.status == 403 and answer.json["code"] == "OPERATOR_NEEDED", (method, path, answer)
                continue
            assert answer.status in (404, 400, 415) or (answer.status == 502 and answer.json.get("message", "").endswith("is not running")), (method, path, answer)
            tried += 1
    assert tried > 60
    assert alice.execution(running)["status"] == "inputRequired", "nobody has interrupted or answered it"
    assert alice.stdout("print(x, open('f').read())", session) == "1 secret\n"
    alice.expect(202, "DELETE", f"/api/v1/executions/{running}")
