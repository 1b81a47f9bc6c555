"""E2B's control plane beyond a sandbox's life: forks, figures, what there is not."""

import json
import struct

import pytest

from harness import until
from harness.e2b import create, get, kill, run


@pytest.fixture
def sandbox(client):
    sandbox = create(client, metadata={"a": "b"})
    yield sandbox
    client.delete(f"/e2b/sandboxes/{sandbox}")


def test_fork(client, sandbox):
    run(client, sandbox, "x = [1]\nopen('f', 'w').write('common')")
    made = client.expect(201, "POST", f"/e2b/sandboxes/{sandbox}/fork", {"count": 2, "timeout": 500})
    ids = [m["sandbox"]["sandboxID"] for m in made]
    assert len({sandbox, *ids}) == 3 and len({m["sandbox"]["envdAccessToken"] for m in made}) == 2
    for fork in ids:
        assert run(client, fork, "x.append(2)\n(x, open('f').read())")[-1]["text"] == "([1, 2], 'common')"
        assert get(client, fork)["metadata"] == {"a": "b"}
    assert run(client, sandbox, "x")[-1]["text"] == "[1]"
    kill(client, sandbox)
    assert run(client, ids[0], "x")[-1]["text"] == "[1, 2]", "it does not end with its parent"
    for fork in ids:
        kill(client, fork)


@pytest.mark.parametrize("body", [{"count": 0}, {"count": 1000}, {"count": "x"}, {"timeout": -1}])
def test_fork_refused(client, sandbox, body):
    assert client.post(f"/e2b/sandboxes/{sandbox}/fork", body).json["code"] == 400


def test_fork_of_what_is_paused_or_busy_with_threads(client, sandbox):
    run(client, sandbox, "import threading\ngo = threading.Event()\nthreading.Thread(target=go.wait, daemon=True).start()")
    answer = client.expect(409, "POST", f"/e2b/sandboxes/{sandbox}/fork", {})
    assert answer["code"] == 409 and "thread" in answer["message"]
    run(client, sandbox, "go.set()")
    client.post(f"/e2b/sandboxes/{sandbox}/pause")
    assert client.expect(409, "POST", f"/e2b/sandboxes/{sandbox}/fork", {})["message"].startswith("The sandbox is paused")


def test_a_command_keeps_a_sandbox_from_being_paused(client, sandbox):
    named = {"E2b-Sandbox-Id": sandbox}
    with client.socket() as s:
        body = envelope({"process": {"cmd": "/bin/sleep", "args": ["100"]}, "tag": "t"})
        s.sendall(b"POST /e2b/process.Process/Start HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/connect+json\r\nE2b-Sandbox-Id: %s\r\nContent-Length: %d\r\n\r\n%s"
                  % (sandbox.encode(), len(body), body))
        until(lambda: client.post("/e2b/process.Process/List", {}, headers=named).json["processes"], "it runs")
        assert "runs code" in client.expect(409, "POST", f"/e2b/sandboxes/{sandbox}/pause", {})["message"]
        client.post("/e2b/process.Process/SendSignal", {"process": {"tag": "t"}}, headers=named)
    until(lambda: client.post(f"/e2b/sandboxes/{sandbox}/pause", {}).status == 204, "it is paused once nothing runs")


def test_metrics(client, sandbox):
    run(client, sandbox, "x = b'x' * 50_000_000\nopen('f', 'wb').write(bytes(100_000))")
    one, = client.expect(200, "GET", f"/e2b/sandboxes/{sandbox}/metrics?start=0&end=1")
    assert one["memTotal"] > one["memUsed"] > 40_000_000 and one["diskTotal"] > one["diskUsed"] >= 100_000 and one["cpuCount"] >= 1 and one["timestampUnix"] > 1_700_000_000


def test_snapshots_are_refused(client, sandbox):
    answer = client.expect(400, "POST", f"/e2b/sandboxes/{sandbox}/snapshots", {"name": "s"})
    assert answer["code"] == 400 and "fork it" in answer["message"]


def test_network_of_a_living_sandbox(client, sandbox):
    assert client.request("PUT", f"/e2b/sandboxes/{sandbox}/network", {"allow_internet_access": True}).status == 204
    refused = client.request("PUT", f"/e2b/sandboxes/{sandbox}/network", {"allowOut": ["example.com"]})
    assert refused.status == 400 and "no network" in refused.json["message"]
    assert get(client, sandbox)["metadata"] == {"a": "b"}, "nothing else is changed"


def test_of_nobody(client):
    nobody = "0d9f5a30-0000-4000-8000-00000000abcd"
    for method, path in (("POST", "fork"), ("POST", "snapshots"), ("GET", "metrics"), ("PUT", "network")):
        assert client.request(method, f"/e2b/sandboxes/{nobody}/{path}", {} if method != "GET" else None).json["code"] == 404, path


# ---- the RPCs' envelopes ----

def call(client, sandbox, method, body):
    """(status, [(flags, message)])"""
    answer = client.post(f"/e2b/process.Process/{method}", body, headers={"Content-Type": "application/connect+json", "E2b-Sandbox-Id": sandbox})
    rest, found = answer.body, []
    while answer.status == 200 and rest:
        flags, size = struct.unpack(">BI", rest[:5])
        found.append((flags, json.loads(rest[5:5 + size])))
        rest = rest[5 + size:]
    return answer.status, found


def envelope(message, flags=0):
    data = message if isinstance(message, bytes) else json.dumps(message).encode()
    return struct.pack(">BI", flags, len(data)) + data


def test_a_command_in_envelopes(client, sandbox):
    status, told = call(client, sandbox, "Start", envelope({"process": {"cmd": "/bin/sh", "args": ["-c", "echo é 'a \"b\" \\ %s'; exit 4"]}}))
    assert status == 200 and [flags for flags, _ in told] == [0] * (len(told) - 1) + [2] and told[-1] == (2, {})
    events = [message["event"] for _, message in told[:-1]]
    assert events[0]["start"]["pid"] > 0 and events[1]["data"]["stdout"] == "w6kgYSAiYiIgXCAlcwo="
    assert events[-1]["end"] == {"exitCode": 4, "exited": True, "status": "exit status 4", "error": "exit status 4"}
    until(lambda: client.post("/e2b/process.Process/List", {}, headers={"E2b-Sandbox-Id": sandbox}).json == {"processes": []}, "its interpreter is gone")


@pytest.mark.parametrize("body", [b"", b"\0\0\0", envelope({})[:-1], envelope({}) + b"x", envelope([]), envelope(b"{"), envelope({}, 1), b"\0\xff\xff\xff\xff{}"])
def test_what_is_no_envelope(client, sandbox, body):
    for method in ("Start", "Connect"):
        status, told = call(client, sandbox, method, body)
        assert status == 200 and told[0][0] == 2 and told[0][1]["error"]["code"] == "invalid_argument", told


@pytest.mark.parametrize("process", [{}, {"cmd": ""}, {"cmd": 5}, {"cmd": "a", "args": "b"}, {"cmd": "a", "args": [1]}, {"cmd": "a", "envs": {"A": 1}},
                                     {"cmd": "a", "cwd": 5}])
def test_what_is_no_command(client, sandbox, process):
    answer = client.post("/e2b/process.Process/Start", envelope({"process": process}), headers={"Content-Type": "application/connect+json", "E2b-Sandbox-Id": sandbox})
    assert answer.status == 400 and answer.json["code"] == 400 and answer.json["message"], answer


@pytest.mark.parametrize("method, body, code", [("SendSignal", {"process": {"pid": 5}}, "not_found"), ("SendInput", {}, "not_found"), ("CloseStdin", {"process": {"tag": "t"}}, "not_found"),
                                                ("Update", {}, "unimplemented"), ("StreamInput", {}, "unimplemented")])
def test_rpcs_that_are_refused(client, sandbox, method, body, code):
    answer = client.post(f"/e2b/process.Process/{method}", body, headers={"E2b-Sandbox-Id": sandbox})
    assert answer.status >= 400 and answer.json["code"] == code and answer.json["message"], answer


def test_more_input_than_is_kept(client, sandbox):
    named = {"E2b-Sandbox-Id": sandbox}
    with client.socket() as s:
        body = envelope({"process": {"cmd": "/bin/sleep", "args": ["100"]}, "stdin": True, "tag": "t"})
        s.sendall(b"POST /e2b/process.Process/Start HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/connect+json\r\nE2b-Sandbox-Id: %s\r\nContent-Length: %d\r\n\r\n%s"
                  % (sandbox.encode(), len(body), body))
        until(lambda: client.post("/e2b/process.Process/List", {}, headers=named).json["processes"], "it runs")
        piece = {"process": {"tag": "t"}, "input": {"stdin": "A" * 600_000}}
        answers = [client.post("/e2b/process.Process/SendInput", piece, headers=named) for _ in range(12)]
        assert answers[0].json == {} and answers[-1].status == 429 and answers[-1].json["code"] == "resource_exhausted"
        assert client.post("/e2b/process.Process/SendInput", {"process": {"tag": "t"}, "input": {"pty": ""}}, headers=named).json["code"] == "invalid_argument"
        assert client.post("/e2b/process.Process/SendSignal", {"process": {"tag": "t"}, "signal": "SIGNAL_SIGKILL"}, headers=named).json == {}
