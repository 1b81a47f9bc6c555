"""E2B's control plane: sandboxes that live until a time, under the paths and shapes that its SDKs use."""

import base64
import json
from datetime import datetime, timezone
from urllib.parse import quote, urlencode

import pytest

from harness.e2b import create, get, kill, run
from harness import until


@pytest.fixture(params=["", "/v2"])
def version(request):
    return request.param


@pytest.fixture
def sandbox(client):
    sandbox = create(client)
    yield sandbox
    client.delete(f"/e2b/sandboxes/{sandbox}")


def left(detail):
    return (datetime.fromisoformat(detail["endAt"].replace("Z", "+00:00")) - datetime.now(timezone.utc)).total_seconds()


def test_create(client, version):
    made = client.expect(201, "POST", f"/e2b{version}/sandboxes", {"templateID": "code-interpreter-v1", "timeout": 100, "metadata": {"a": "b"},
                                                                   "envVars": {"COLOUR": "blue"}, "allow_internet_access": True, "autoPause": False})
    assert made["templateID"] == "code-interpreter-v1" and tuple(map(int, made["envdVersion"].split("."))) >= (0, 1, 0) and made["clientID"]
    detail = get(client, made["sandboxID"])
    assert (detail["state"], detail["metadata"], detail["templateID"]) == ("running", {"a": "b"}, "code-interpreter-v1") and 90 < left(detail) <= 100
    assert detail["cpuCount"] >= 1 and detail["memoryMB"] > 0 and detail["diskSizeMB"] > 0 and detail["allowInternetAccess"] is False
    assert client.stdout("import os\nprint(os.environ['COLOUR'])", made["sandboxID"]) == "blue\n", "it is a session"
    kill(client, made["sandboxID"])


def test_defaults(client):
    made = client.expect(201, "POST", "/e2b/sandboxes", {})
    assert 290 < left(get(client, made["sandboxID"])) <= 300
    kill(client, made["sandboxID"])


def test_it_has_no_import_policy_where_that_may_be_chosen(standard_server, make_server):
    sandbox = create(standard_server.client)
    assert standard_server.client.stdout("import os\nprint(1)", sandbox) == "1\n"
    kill(standard_server.client, sandbox)
    strict = make_server(env={"SANDBOX_PROFILE": "standard", "SANDBOX_PROFILES": "standard"}).start().client
    assert strict.execute("import os", create(strict))["status"] == "rejected"


def test_kill(client, sandbox):
    kill(client, sandbox)
    for method, path in (("DELETE", ""), ("GET", ""), ("POST", "/connect"), ("POST", "/timeout"), ("POST", "/pause"), ("POST", "/resume"), ("POST", "/refreshes")):
        answer = client.request(method, f"/e2b/sandboxes/{sandbox}{path}", {"timeout": 5} if method == "POST" else None)
        assert answer.status == 404 and answer.json == {"code": 404, "message": f'Sandbox "{sandbox}" not found'}


def test_a_session_is_no_sandbox(client, session):
    assert client.get(f"/e2b/sandboxes/{session}").status == 404
    assert session not in [s["sandboxID"] for s in client.expect(200, "GET", "/e2b/sandboxes")]


def test_it_ends_at_its_time(client):
    sandbox = create(client, timeout=1)
    until(lambda: client.get(f"/e2b/sandboxes/{sandbox}").status == 404, "it ends")


def test_it_ends_at_its_time_whatever_it_does(client, sandbox):
    with client.stream("print('up')\nwhile True: pass", sandbox) as stream:
        stream.next("stdout", "up")
        client.post(f"/e2b/sandboxes/{sandbox}/timeout", {"timeout": 0})
        assert stream.result()["status"] == "killed"


def test_timeouts(client, sandbox, version):
    assert client.post(f"/e2b/sandboxes/{sandbox}/timeout", {"timeout": 500}).status == 204
    assert 490 < left(get(client, sandbox)) <= 500
    assert client.expect(200, "POST", f"/e2b{version}/sandboxes/{sandbox}/connect", {"timeout": 50})["sandboxID"] == sandbox
    assert 480 < left(get(client, sandbox)), "connecting does not make it shorter"
    client.expect(200, "POST", f"/e2b{version}/sandboxes/{sandbox}/connect", {"timeout": 900})
    assert 890 < left(get(client, sandbox)) <= 900
    assert client.post(f"/e2b/sandboxes/{sandbox}/refreshes", {"duration": 1000}).status == 204
    assert 990 < left(get(client, sandbox)) <= 1000
    assert client.post(f"/e2b/sandboxes/{sandbox}/timeout", {"timeout": 30}).status == 204
    assert left(get(client, sandbox)) <= 30, "setting it does"


def test_pause_and_resume(client, sandbox):
    client.stdout("x = 42", sandbox)
    assert client.expect(409, "POST", f"/e2b/sandboxes/{sandbox}/resume", {})["code"] == 409
    assert client.post(f"/e2b/sandboxes/{sandbox}/pause").status == 204
    assert get(client, sandbox)["state"] == "paused"
    assert client.expect(409, "POST", f"/e2b/sandboxes/{sandbox}/pause", {})["message"] == "The sandbox is paused already"
    client.expect(201, "POST", f"/e2b/sandboxes/{sandbox}/connect", {"timeout": 60})
    assert get(client, sandbox)["state"] == "running"
    client.post(f"/e2b/sandboxes/{sandbox}/pause", {"memory": True})
    client.expect(201, "POST", f"/e2b/sandboxes/{sandbox}/resume", {"timeout": 60})
    assert client.stdout("print(x)", sandbox) == "42\n"


def test_what_runs_is_not_paused(client, sandbox):
    execution = client.start("while True: pass", sandbox)
    assert client.expect(409, "POST", f"/e2b/sandboxes/{sandbox}/pause", {})["code"] == 409
    client.delete(f"/api/v1/executions/{execution}")


def test_auto_pause(client):
    sandbox = create(client, timeout=60, autoPause=True)
    client.stdout("x = 1", sandbox)
    assert client.post(f"/e2b/sandboxes/{sandbox}/timeout", {"timeout": 1}).status == 204
    until(lambda: get(client, sandbox)["state"] == "paused", "it is put aside")
    client.expect(201, "POST", f"/e2b/sandboxes/{sandbox}/connect", {"timeout": 60})
    assert client.stdout("print(x)", sandbox) == "1\n"
    kill(client, sandbox)


def test_list(make_server, version):
    client = make_server().start().client
    made = [create(client, metadata={"n": str(n), "text": "a b&c=d%é"}) for n in range(5)]
    client.post(f"/e2b/sandboxes/{made[0]}/pause")
    client.session()

    def listed(query=""):
        answer = client.get(f"/e2b{version}/sandboxes{query}")
        assert answer.status == 200, answer
        return [s["sandboxID"] for s in answer.json], answer.headers.get("x-next-token")

    assert listed() == (made[::-1], None)
    assert listed("?order=asc") == (made, None)
    assert listed("?state=paused") == ([made[0]], None) and listed("?state=running,paused")[0] == made[::-1]
    assert listed("?limit=2") == ([made[4], made[3]], "2") and listed("?limit=2&nextToken=4") == ([made[0]], None)
    wanted = urlencode({quote("text"): quote("a b&c=d%é"), quote("n"): quote("3")})  # as the SDK writes it
    assert listed("?" + urlencode({"metadata": wanted})) == ([made[3]], None)
    assert listed("?metadata=n%3D9") == ([], None) and listed("?template=other") == ([], None) and len(listed("?template=base")[0]) == 5
    for wrong in ("?limit=0", "?limit=101", "?nextToken=x", "?order=up"):
        assert client.get(f"/e2b{version}/sandboxes{wrong}").json["code"] == 400, wrong


@pytest.mark.parametrize("body", [{"timeout": -1}, {"timeout": 86401}, {"timeout": "x"}, {"metadata": {"a": 1}}, {"metadata": []}, {"envVars": {"A": 1}}, {"mcp": {}},
                                  {"volumeMounts": [{}]}, {"network": {"allowOut": ["example.com"]}}, {"templateID": 5}])
def test_refused(client, body):
    answer = client.post("/e2b/v2/sandboxes", body)
    assert answer.status == 400 and answer.json["code"] == 400 and answer.json["message"], answer


def test_chunked_body(client):
    with client.socket() as s:
        s.sendall(b"POST /e2b/sandboxes HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                  b'10\r\n{"timeout": 33, \r\nc\r\n"a": "text"}\r\n0\r\n\r\n')
        answer = b"".join(iter(lambda: s.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 201")


def test_keys(make_server):
    one, two = "e2b_" + "1" * 40, "e2b_" + "2" * 40
    client = make_server(env={"SANDBOX_API_KEYS": f"one:{one},two:{two}"}).start().client

    def request(key, method, path, body=None):
        return client.request(method, "/e2b" + path, body, headers={"X-API-Key": key} if key else {})

    assert request(None, "POST", "/sandboxes", {}).json["code"] == 401
    sandbox = request(one, "POST", "/sandboxes", {}).json["sandboxID"]
    assert request(two, "GET", f"/sandboxes/{sandbox}").status == 404 and request(two, "DELETE", f"/sandboxes/{sandbox}").status == 404
    assert request(two, "GET", "/v2/sandboxes").json == [] and len(request(one, "GET", "/v2/sandboxes").json) == 1


# ---- the data plane ----

def test_run(client, sandbox):
    lines = run(client, sandbox, "import os, sys\nprint('out', os.environ['A'])\nprint('err', file=sys.stderr)\n'a text'", env_vars={"A": "b"})
    assert [line.pop("timestamp") for line in lines if line["type"].startswith("std")]
    assert lines == [{"type": "number_of_executions", "execution_count": 1}, {"type": "stdout", "text": "out b\n"}, {"type": "stderr", "text": "err\n"},
                     {"type": "result", "is_main_result": True, "text": "a text"}]
    assert run(client, sandbox, "import os\n'A' in os.environ")[-1]["text"] == "False", "they hold for one run"


def test_run_keeps_its_state(client, sandbox):
    run(client, sandbox, "x = 41")
    assert run(client, sandbox, "x + 1")[-1] == {"type": "result", "is_main_result": True, "text": "42"}


def test_an_error(client, sandbox):
    error = run(client, sandbox, "print(1)\n1/0")[-1]
    assert (error["type"], error["name"], error["value"]) == ("error", "ZeroDivisionError", "division by zero") and "1/0" in error["traceback"]


def test_results_of_all_kinds(client, sandbox):
    lines = run(client, sandbox, "from IPython.display import *\ndisplay(HTML('<b>'), Markdown('# h'), JSON({'a': 1}), Latex('$x$'), SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>'))\n"
                                 "display({'application/x-own': 'v', 'text/plain': 't'}, raw=True)")
    results = [line for line in lines if line["type"] == "result"]
    assert [next(k for k in ("html", "markdown", "json", "latex", "svg", "extra") if k in r) for r in results] == ["html", "markdown", "json", "latex", "svg", "extra"]
    assert results[2]["json"] == {"a": 1} and results[5]["extra"] == {"application/x-own": "v"} and not any(r["is_main_result"] for r in results)


def test_a_plot_and_a_result_longer_than_an_event(client, sandbox):
    lines = run(client, sandbox, "import matplotlib.pyplot as plt\nimport numpy\nplt.imshow(numpy.random.rand(300, 300))\nplt.show()\n'x' * 300_000")
    plot, text = [line for line in lines if line["type"] == "result"]
    assert base64.b64decode(plot["png"]).startswith(b"\x89PNG") and len(plot["png"]) > 60_000 and text["text"] == "x" * 300_000


def begin_endless(s, sandbox):
    """Sends a run without an end, and returns what its answer begins with."""
    body = json.dumps({"code": "print('begun', flush=True)\nwhile True: pass"}).encode()
    s.sendall(b"POST /e2b/execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nE2b-Sandbox-Id: %s\r\nContent-Length: %d\r\n\r\n%s"
              % (sandbox.encode(), len(body), body))
    got = b""
    while b"begun" not in got:
        got += s.recv(65536)
    return got


def test_a_client_that_leaves_interrupts(client, sandbox):
    with client.socket() as s:
        begin_endless(s, sandbox)
    assert run(client, sandbox, "1")[-1]["text"] == "1", "the next run is not blocked"


def test_a_sandbox_that_is_killed_breaks_the_connection(client, sandbox):
    with client.socket() as s:
        got = begin_endless(s, sandbox)
        kill(client, sandbox)
        while piece := s.recv(65536):
            got += piece
    assert not got.endswith(b"0\r\n\r\n"), "it is not ended politely"
    assert client.get("/e2b/health", headers={"E2b-Sandbox-Id": sandbox}).status == 502


def test_health(client, sandbox):
    named = {"E2b-Sandbox-Id": sandbox}
    assert client.get("/e2b/health").body == b"OK" and client.get("/e2b/health", headers=named).status == 204
    client.post(f"/e2b/sandboxes/{sandbox}/pause")
    assert client.get("/e2b/health", headers=named).status == 502 and client.post("/e2b/execute", {"code": "1"}, headers=named).json["code"] == 502


@pytest.mark.parametrize("body, status", [({}, 400), ({"code": 1}, 400), ({"code": "1", "context_id": "default", "language": "python"}, 400), ({"code": "1", "context_id": "x"}, 404),
                                          ({"code": "1", "language": "r"}, 404), ({"code": "1", "env_vars": {"A": 1}}, 400)])
def test_a_run_that_is_refused(client, sandbox, body, status):
    answer = client.post("/e2b/execute", body, headers={"E2b-Sandbox-Id": sandbox})
    assert answer.status == status == answer.json["code"] and answer.json["message"]


def test_the_data_plane_is_closed_to_others(make_server):
    one, two = "e2b_" + "1" * 40, "e2b_" + "2" * 40
    client = make_server(env={"SANDBOX_API_KEYS": f"one:{one},two:{two}"}).start().client
    made = client.request("POST", "/e2b/sandboxes", {}, headers={"X-API-Key": one}).json
    sandbox, token = made["sandboxID"], made["envdAccessToken"]
    assert len(token) > 60 and made["trafficAccessToken"] == token
    for headers in ({"X-Access-Token": token}, {"E2B-Traffic-Access-Token": token}, {"X-API-Key": one}):
        assert run(client, sandbox, "1", headers)[-1]["text"] == "1"
    for headers in ({}, {"X-Access-Token": token[:-1]}, {"X-Access-Token": token[:-1] + "x"}, {"X-Access-Token": ""}, {"X-API-Key": two}):
        for method, path in (("POST", "/execute"), ("GET", "/contexts"), ("GET", "/files?path=a"), ("POST", "/files"), ("GET", "/health"), ("POST", "/contexts/default/restart"),
                             ("POST", "/contexts"), ("DELETE", "/contexts/default")):
            answer = client.request(method, "/e2b" + path, {"code": "1"} if method == "POST" else None, headers={"E2b-Sandbox-Id": sandbox, **headers})
            assert answer.status == 502, (headers, path, answer)
    assert "Token" not in client.request("GET", f"/e2b/sandboxes/{sandbox}", headers={"X-API-Key": one}).body.decode()


# ---- files ----

def upload(client, sandbox, parts, path=None):
    body = b"".join(f'--sep\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n\r\n'.encode() + content + b"\r\n" for name, filename, content in parts)
    query = "?" + urlencode({"path": path}) if path is not None else ""
    return client.post("/e2b/files" + query, body + b"--sep--\r\n", headers={"Content-Type": "multipart/form-data; boundary=sep", "E2b-Sandbox-Id": sandbox})


def download(client, sandbox, path, **headers):
    return client.get("/e2b/files?" + urlencode({"path": path}), headers={"E2b-Sandbox-Id": sandbox, **headers})


@pytest.mark.parametrize("path, told", [("/home/user/d/a.bin", "/home/user/d/a.bin"), ("/workspace/d/a.bin", "/workspace/d/a.bin"), ("d/a.bin", "/home/user/d/a.bin"),
                                        ("~/d/a.bin", "/home/user/d/a.bin")])
def test_a_file(client, sandbox, path, told):
    content = bytes(range(256)) * 100
    answer = upload(client, sandbox, [("file", "ignored", content)], path)
    assert answer.status == 200 and answer.json == [{"name": "a.bin", "path": told, "type": "file"}], answer
    assert run(client, sandbox, "print(len(open('d/a.bin', 'rb').read()))")[1]["text"] == f"{len(content)}\n"
    assert download(client, sandbox, path).body == content
    part = download(client, sandbox, path, Range="bytes=1-3")
    assert part.status == 206 and part.body == content[1:4]


def test_several_files_by_their_names(client, sandbox):
    answer = upload(client, sandbox, [("file", "/home/user/a.txt", b"1"), ("file", "b/c.txt", b"2")])
    assert [f["path"] for f in answer.json] == ["/home/user/a.txt", "/home/user/b/c.txt"]
    assert download(client, sandbox, "b/c.txt").body == b"2"


def test_files_that_are_refused(client, sandbox):
    assert download(client, sandbox, "nothing").json["code"] == 404 and download(client, sandbox, "/etc/passwd").json["code"] == 400
    assert download(client, sandbox, "../x").json["code"] == 400
    assert client.get("/e2b/files", headers={"E2b-Sandbox-Id": sandbox}).json["code"] == 400
    for parts, path in (([("file", "a", b"1")], "../a"), ([("file", "a", b"1")], "/etc/a"), ([("other", "a", b"1")], None), ([], "a")):
        answer = upload(client, sandbox, parts, path)
        assert answer.status == 400 == answer.json["code"], (parts, path, answer)
    assert upload(client, "0d9f5a30-0000-4000-8000-00000000abcd", [("file", "a", b"1")]).status == 502
