"""Three instances behind the proxies' configurations that are shipped, addresses and nothing else replaced. Envoy is the package index's."""

import contextlib
import hashlib
import os
import signal
import subprocess
import threading

import pytest

from harness import BUILD, ROOT, Client, until
from harness.e2b import create, run
from harness.names import Names
from harness.server import RUNNING, free_port

KEYS = {name: f"penny_{name}_0123456789abcdef" for name in ("alice", "operator")}
LINES = "".join(f"{name}:{hashlib.sha256(key.encode()).hexdigest()}{' access=operator' if name == 'operator' else ''}\n" for name, key in KEYS.items())
PROXIES = ("haproxy", "nginx", "envoy", "kubernetes")  # the last one: HAProxy as it routes to the pods of a StatefulSet, by their names
# The shipped file, where it says what it listens at, and where the instances are.
FILES = {
    "haproxy": ("haproxy.cfg", "bind :8080", "bind {}:{}", "{}:{}"),
    "nginx": ("nginx.conf", "listen 8080", "listen {}:{}", "{}:{}"),
    "envoy": ("envoy.yaml", "address: 0.0.0.0, port_value: 8080", "address: {}, port_value: {}", "address: {}, port_value: {}"),
}
MCP = {"Accept": "application/json", "MCP-Protocol-Version": "2025-06-18"}
ENVOY = BUILD / "venv-cluster/bin/envoy"


class Keyed(Client):
    def __init__(self, port, name="alice"):
        super().__init__(port)
        self.key = {"X-API-Key": KEYS[name]}

    def _send(self, connection, method, path, body, headers):
        return super()._send(connection, method, path, body, {**self.key, **(headers or {})})

    def run(self, code, session, **headers):
        """In a session, which is named in a header as our clients do."""
        return self.request("POST", "/api/v1/execute", {"code": code, "sessionId": session}, headers={"X-Session-ID": session, **headers})


class Cluster:
    def __init__(self, make_server, tmp_path):
        self.tmp_path, self.pod_port = tmp_path, free_port()
        self.instances = [self.start(make_server, number) for number in range(3)]
        for server in self.instances:
            until(server.answers, "an instance answers", 60)

    def start(self, make_server, number, port=None):
        server = make_server(env={"SANDBOX_INSTANCE": f"penny-{number}", "SANDBOX_POOL_SIZE": "4", "SANDBOX_DRAIN": "500"})
        keys = server.directory / "keys"
        keys.write_text(LINES)
        keys.chmod(0o600)
        server.args.append(f"--keys-file={keys}")
        port = port or free_port()
        server.args.append(f"--listen=127.0.0.1:{port},{Names.address(number)}:{self.pod_port}")
        server.launch(port)
        return server

    def configuration(self, name, port):
        """The shipped file with addresses of this machine."""
        if name == "kubernetes":
            return self.kubernetes_configuration(port)
        file, listens, listen, instance = FILES[name]
        text = (ROOT / "deploy/cluster" / file).read_text()
        places = [(listens, listen.format("127.0.0.1", port))]
        places += [(instance.format(f"instance-{number}", 3003), instance.format("127.0.0.1", server.port)) for number, server in enumerate(self.instances)]
        for old, new in places:
            assert old in text
            text = text.replace(old, new)
        text = text.replace("/run/nginx.pid", str(self.tmp_path / "nginx.pid"))
        target = self.tmp_path / file
        target.write_text(text)
        return target

    def kubernetes_configuration(self, port):
        """As it is in a pod, but for the name service and ports."""
        text = (ROOT / "deploy/kubernetes/base/haproxy.cfg").read_text()
        for old, new in (("bind :8080", f"bind 127.0.0.1:{port}"), ("parse-resolv-conf", f"nameserver test 127.0.0.1:{self.names.port}"), ("0.0.0.0:3003", f"0.0.0.0:{self.pod_port}")):
            assert text.count(old) == 1
            text = text.replace(old, new)
        target = self.tmp_path / "kubernetes.cfg"
        target.write_text(text)
        return target

    @contextlib.contextmanager
    def behind(self, name):
        self.names = Names(self.pod_port, range(3))
        port = free_port()
        path = self.configuration(name, port)
        command = {"nginx": ["nginx", "-c", path, "-g", f"daemon off; user {os.environ.get('USER', 'root')};"],
                   "envoy": [ENVOY, "-c", path, "--disable-hot-restart", "--log-level", "warn"]}.get(name, ["haproxy", "-W", "-db", "-f", path])
        with open(self.tmp_path / f"{name}.log", "wb") as log:
            proxy = subprocess.Popen(["prlimit", "--nofile=1024:", *command], stdout=log, stderr=subprocess.STDOUT, env={**os.environ, "NAMESPACE": "test"})
        RUNNING[proxy.pid] = proxy  # it is nothing that an instance has left behind
        client = Keyed(port)
        try:
            until(lambda: answers(client, proxy), "the proxy answers", 30)
            until(lambda: self.chosen(client) == {0, 1, 2}, "the proxy has seen that all three are ready", 30)
            yield client
        finally:
            proxy.send_signal(signal.SIGTERM)
            proxy.wait(30)
            RUNNING.pop(proxy.pid, None)
            self.names.close()

    @staticmethod
    def chosen(client):
        """Where sessions that live for one execution go."""
        return {of(client.post("/api/v1/execute", {"code": "1"}).json.get("sessionId", "9999")) for _ in range(20)}

    def direct(self, number, name="alice"):
        return Keyed(self.instances[number].port, name)


def answers(client, proxy):
    assert proxy.poll() is None, "the proxy has ended"
    try:
        return client.get("/ready").status == 200
    except OSError:
        return False


@pytest.fixture(params=PROXIES)
def cluster(request, make_server, tmp_path):
    cluster = Cluster(make_server, tmp_path)
    with cluster.behind(request.param) as client:
        cluster.client, cluster.name = client, request.param
        yield cluster


def of(some_id):
    return int(some_id[:4])


def of_each(make):
    """What make() has made on each of the three, through the proxy."""
    made = {}
    for _ in range(40):
        one = make()
        made.setdefault(of(one), one)
        if len(made) == 3:
            return made
    raise AssertionError(f"40 new sessions are all on {sorted(made)}")


def one_on_each(client):
    return of_each(client.session)


def test_sessions_stick_by_path_header_and_body_and_streams_are_resumed(cluster):
    client = cluster.client
    sessions = one_on_each(client)
    for number, session in sessions.items():
        assert client.run(f"x = {number}", session).json["success"]
    for number, session in list(sessions.items()) * 3:
        answer = client.run("print(x)", session)
        assert answer.status == 200 and answer.json["output"]["stdout"] == f"{number}\n" and of(answer.json["executionId"]) == number
        assert client.get(f"/api/v1/sessions/{session}/variables").json["variables"]["x"]["value"] == number
        assert client.request("PUT", f"/api/v1/sessions/{session}/files/d/{sessions[0]}/f.txt", f"of {number}", {"Content-Type": "text/plain"}).status in (200, 201)
        assert client.get(f"/api/v1/sessions/{session}/files/d/{sessions[0]}/f.txt").body == f"of {number}".encode()
        if cluster.name in ("haproxy", "kubernetes"):
            assert client.execute("x", session)["output"]["results"][0]["data"]["text/plain"] == str(number), "named in the body alone"
    for number, session in sessions.items():
        streamed_and_resumed(client, number, session)
    strange = client.get("/api/v1/sessions/7777" + sessions[0][4:])
    assert (strange.status, strange.json["code"]) == ((503, "INSTANCE_DOWN") if cluster.name == "kubernetes" else (421, "WRONG_INSTANCE")), strange


def test_other_clients_ids_route_too(cluster):
    client = cluster.client
    for number, sandbox in of_each(lambda: create(client, timeout=60)).items():
        sent = {"E2b-Sandbox-Id": sandbox}
        for _ in range(3):
            assert [line["text"] for line in run(client, sandbox, f"print({number})") if line["type"] == "stdout"] == [f"{number}\n"]
            assert client.get("/e2b/health", headers=sent).status == 204
            assert client.get(f"/e2b/sandboxes/{sandbox}").json["sandboxID"] == sandbox
        assert client.request("POST", "/e2b/files?path=a.txt", b"of it", {**sent, "Content-Type": "application/octet-stream"}).status == 200
        assert client.get("/e2b/files?path=a.txt", headers=sent).body == b"of it"
    for number, session in of_each(lambda: begin_mcp(client)).items():
        assert [call_mcp(client, session, f"x = globals().get('x', {number}) + 1\nx") for _ in range(3)] == [str(number + n) for n in (1, 2, 3)]
        assert client.request("DELETE", "/mcp", headers={"Mcp-Session-Id": session}).status in (200, 204)


def begin_mcp(client):
    first = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    return client.post("/mcp", {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": first}, headers=MCP).headers["mcp-session-id"]


def call_mcp(client, session, code):
    answer = client.post("/mcp", {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "run_code", "arguments": {"code": code}}}, headers={**MCP, "Mcp-Session-Id": session})
    return answer.json["result"]["content"][0]["text"].strip()


def test_administration_is_not_passed_on(cluster):
    operator = Keyed(cluster.client.port, "operator")
    assert cluster.direct(0, "operator").get("/api/v1/admin/drain").status == 200
    refused = operator.get("/api/v1/admin/drain")
    assert (refused.status, refused.json["code"]) == (403, "OPERATOR_NEEDED") and refused.headers["content-type"].startswith("application/json"), refused
    for path in ("/api/v1/%61dmin/drain", "/api/v1//admin/drain", "/api/v1/./admin/drain", "/api/v1/x/../admin/drain", "/API/V1/ADMIN/drain", "//api/v1/admin/drain", "/api/v1/admin%2fdrain"):
        answer = operator.get(path)
        assert answer.status in (400, 403, 404) and b"draining" not in answer.body, (path, answer)


def test_more_than_a_thousand_streams_at_once(cluster):
    """With the 1,024 descriptors that a service is given unless somebody says more: each stream takes two of a proxy's."""
    client = cluster.client
    session = client.session()
    execution = client.request("POST", "/api/v1/executions", {"code": "input()", "sessionId": session}, {"X-Session-ID": session}).json["executionId"]
    until(lambda: client.execution(execution)["status"] == "inputRequired", "the program waits")
    streams = []
    try:
        for _ in range(1100):
            streams.append(client.events(execution))
        assert client.post(f"/api/v1/executions/{execution}/input", {"text": "on"}).status == 202
        assert sum(any(event.type == "complete" for event in stream) for stream in streams) == 1100
    finally:
        for stream in streams:
            stream.close()


def streamed_and_resumed(client, number, session):
    """Unbuffered: an event is here while the program waits for us. Cut and resumed with nothing but the execution's id and the last event's."""
    code = "print('one', flush=True)\na = input()\nprint('two', a, flush=True)\nb = input()\nprint('three', b)"
    stream = client.stream(code, session, headers={"X-Session-ID": session})
    first = next(event for event in stream if event.type == "stdout")
    run = first.json["executionId"]
    assert of(run) == number == of(stream.response.getheader("X-Execution-Id"))
    until(lambda: client.execution(run)["status"] == "inputRequired", "the program waits")
    stream.close()
    assert client.post(f"/api/v1/executions/{run}/input", {"text": "A"}).status == 202
    resumed = client.events(run, last_event_id=first.id)
    texts = []
    for event in resumed:
        if event.type == "stdout":
            texts.append(event.data)
        if event.type == "inputRequest" and len(texts) == 1:
            assert client.post(f"/api/v1/executions/{run}/input", {"text": "B"}).status == 202
        if event.type == "complete":
            break
    assert "".join(texts) == "two A\nthree B\n", texts


def test_new_sessions_go_where_least_is_going_on(cluster):
    client = cluster.client
    counts = [0, 0, 0]
    for _ in range(60):
        counts[of(client.session())] += 1
    assert min(counts) >= 8, counts
    streams = []
    try:
        for _ in range(12):  # each holds a connection to where it went
            streams.append(client.stream("input()"))
        assert max(counts_of(streams)) - min(counts_of(streams)) <= 4, counts_of(streams)
        bound = max(range(3), key=counts_of(streams).__getitem__)
        assert sum(counts_of(streams)) == 12 and counts_of(streams)[bound] < 12
    finally:
        for stream in streams:
            stream.close()


def counts_of(streams):
    return [sum(of(stream.response.getheader("X-Execution-Id")) == number for stream in streams) for number in range(3)]


def test_one_is_replaced_while_clients_go_on(cluster, make_server):
    """A rolling upgrade of one: drained, its sessions moved, stopped, started anew; nobody sees an error but for 308 and 410 that say where."""
    client, old = cluster.client, cluster.instances[1]
    sessions = one_on_each(client)
    for number, session in sessions.items():
        assert client.run(f"x = {number}", session).json["success"]
    run = client.request("POST", "/api/v1/executions", {"code": "y = input()", "sessionId": sessions[1]}, headers={"X-Session-ID": sessions[1]}).json["executionId"]
    until(lambda: client.execution(run)["status"] == "inputRequired", "a program waits")
    seen, done = [], threading.Event()

    def traffic():
        while not done.is_set():
            made = client.post("/api/v1/execute", {"code": "print(40 + 2)"})
            kept = client.run("print(x)", sessions[0])
            seen.append((made.status, kept.status, made.json.get("output", {}).get("stdout"), of(made.json.get("sessionId", "9999"))))

    threads = [threading.Thread(target=traffic) for _ in range(3)]
    [thread.start() for thread in threads]
    try:
        drain = subprocess.Popen([BUILD / "penny-sandbox", "drain", "--server", old.url, "--to", f"http://127.0.0.1:{client.port}", "--timeout", "100"],
                                 stdout=subprocess.PIPE, text=True, env={**os.environ, "SANDBOX_OPERATOR_KEY": KEYS["operator"]})
        until(lambda: cluster.direct(1, "operator").get("/api/v1/admin/drain").json["draining"], "it is being drained")
        until(lambda: len(cluster.direct(1, "operator").get("/api/v1/admin/drain").json["sessions"]) == 1, "all but the busy one have moved", 90)
        assert client.post(f"/api/v1/executions/{run}/input", {"text": "late"}).status == 202, "what runs there is reached until its end"
        said = drain.communicate(timeout=120)[0]
        assert drain.returncode == 0 and " 0 left" in said, said
        mark = len(seen)
        until(lambda: len(seen) > mark + 10, "new sessions are made while it is away")
        answer = client.get(f"/api/v1/sessions/{sessions[1]}/variables")
        assert answer.status == 308, answer
        there = client.get(answer.headers["location"]).json
        assert there["variables"]["x"]["value"] == 1 and there["variables"]["y"]["value"] == "late" and of(there["sessionId"]) != 1
        assert client.run("1", sessions[1]).json["movedTo"]["sessionId"] == there["sessionId"]
        port = old.port
        old.stop()
        mark = len(seen)
        until(lambda: len(seen) > mark + 10, "traffic goes on without it")
        cluster.instances[1] = cluster.start(make_server, 1, port)
        until(cluster.instances[1].answers, "the new one answers", 60)
        mark = len(seen)
        until(lambda: any(where == 1 for _, _, _, where in seen[mark:]), "it gets new sessions again", 30)
    finally:
        done.set()
        [thread.join() for thread in threads]
    wrong = [one for one in seen if one[:3] != (200, 200, "42\n")]
    assert not wrong and len(seen) > 30, (len(seen), wrong[:5])


def of_the_killed(ask):
    """What is sent on a connection that had been kept, and broke just then, is answered 502: whether it was read nobody knows. There are a few of them."""
    for _ in range(10):
        answer = ask()
        if answer.status != 502:
            break
        assert answer.json["code"] == "INSTANCE_FAILED"
    return answer


def test_one_is_killed_and_only_its_sessions_are_lost(cluster, make_server):
    client, victim = cluster.client, cluster.instances[2]
    sessions = one_on_each(client)
    for number, session in sessions.items():
        assert client.run(f"x = {number}", session).json["success"]
    streams = {n: client.stream("print('up', flush=True)\nprint(input())", s, headers={"X-Session-ID": s}) for n, s in sessions.items()}
    runs = {n: stream.response.getheader("X-Execution-Id") for n, stream in streams.items()}
    for stream in streams.values():
        next(event for event in stream if event.type == "inputRequest")
    victim.kill()
    answer = of_the_killed(lambda: client.run("print(x)", sessions[2]))
    assert answer.status == 503 and answer.headers["content-type"].startswith("application/json"), answer
    assert answer.json["code"] == "INSTANCE_DOWN" and answer.headers["retry-after"]
    for path in (f"/api/v1/sessions/{sessions[2]}", f"/api/v1/executions/{runs[2]}/events"):
        answer = of_the_killed(lambda path=path: client.get(path))
        assert (answer.status, answer.json["code"]) == (503, "INSTANCE_DOWN")
    streams[2].close()
    for number in (0, 1):
        assert client.post(f"/api/v1/executions/{runs[number]}/input", {"text": "still here"}).status == 202
        assert "still here" in "".join(event.data for event in streams[number] if event.type == "stdout")
        assert client.run("print(x)", sessions[number]).json["output"]["stdout"] == f"{number}\n"
    until(lambda: client.post("/api/v1/sessions", {}).status == 201, "the proxy has seen that it is gone")
    made = [client.post("/api/v1/execute", {"code": "print(1)"}) for _ in range(20)]
    assert all(one.status == 200 and of(one.json["sessionId"]) != 2 for one in made), [one for one in made if one.status != 200]
    port = victim.port
    cluster.instances[2] = cluster.start(make_server, 2, port)
    until(cluster.instances[2].answers, "a new one answers", 60)
    until(lambda: client.get(f"/api/v1/sessions/{sessions[2]}").status == 404, "the new one does not know what the old one had", 30)
    assert "is lost" in client.get(f"/api/v1/sessions/{sessions[2]}").json["message"], "and says so"
    until(lambda: of(client.session()) == 2, "it gets new sessions", 30)
