"""The Flask sandbox's one route, as its clients know it; and what was wrong there and is right here."""

import pytest

from harness import until


def execute(client, code, status=200, **fields):
    return client.expect(status, "POST", "/api/execute", {"code": code, **fields})


def test_success_has_both_streams_in_their_order(client):
    answer = execute(client, "import sys\nfor i in range(3):\n    print('out', i, flush=True)\n    print('err', i, file=sys.stderr, flush=True)")
    assert answer["status"] == "Success" and set(answer) == {"status", "output", "message"}
    assert answer["output"] == answer["message"] == "".join(f"out {i}\nerr {i}\n" for i in range(3))


def test_an_exception_keeps_what_was_printed_before_it(client):
    answer = execute(client, "print('before')\n{}['key']")
    assert answer["status"] == "Error"
    assert answer["output"].startswith("before\nKeyError: 'key'\nTraceback (most recent call last):\n")


@pytest.mark.parametrize("code, kind", [("x = (", "SyntaxError"), ("import no_such_module", "ModuleNotFoundError"), ("raise SystemExit(3)", "SystemExit")])
def test_errors(client, code, kind):
    answer = execute(client, code)
    assert answer["status"] == "Error" and answer["output"].startswith(kind), answer


def test_an_orderly_exit_is_a_success(client):
    assert execute(client, "print(1)\nraise SystemExit") == {"status": "Success", "output": "1\n", "message": "1\n"}


def test_much_output_is_no_timeout(client):
    assert execute(client, "print('x' * 200_000)")["output"] == "x" * 200_000 + "\n"


def test_each_request_has_an_environment_of_its_own(client):
    execute(client, "secret = 42\nopen('file', 'w').close()")
    assert execute(client, "import os\nprint('secret' in globals(), os.listdir())")["output"] == "False []\n"


def test_its_own_timeout_in_seconds(make_server):
    server = make_server(env={"EXECUTION_TIMEOUT": "3"}).start()
    answer = execute(server.client, "print('before')\nwhile True: pass")
    assert answer == {"status": "Error", "output": "before\nTimeout Error: Code execution exceeded 3 seconds\n" + answer["output"].partition("seconds\n")[2],
                      "message": answer["output"]}


def test_no_session_is_left(client):
    before = client.get("/api/v1/sessions").json["total"]
    execute(client, "print(1)")
    until(lambda: client.get("/api/v1/sessions").json["total"] <= before, "the run's session is gone")


@pytest.mark.parametrize("body", [{}, {"code": ""}, {"code": None}, {"other": 1}])
def test_no_code(client, body):
    assert client.expect(400, "POST", "/api/execute", body) == {"status": "Error", "output": "No code provided", "message": "No code provided"}


def test_not_json(client):
    answer = client.post("/api/execute", "code=1", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status == 400 and answer.json["status"] == "Error" and answer.json["output"] == "Request must be JSON"


@pytest.mark.parametrize("body, part", [("{", "not valid JSON"), ('{"code": 5}', "must be string"), ('{"code": "a\\u0000b"}', "NUL")])
def test_malformed(client, body, part):
    answer = client.post("/api/execute", body)
    assert answer.status == 400 and answer.json["status"] == "Error" and part in answer.json["output"]


def test_too_large(client):
    answer = client.post("/api/execute", {"code": "#" * (17 << 20)})
    assert answer.status == 413 and answer.json["status"] == "Error" and "too large" in answer.json["output"]
    answer = client.post("/api/execute", {"code": "#" * 1_000_001})
    assert answer.status == 400 and "more than 1000000 characters" in answer.json["output"]


def test_a_key_is_needed_where_there_are_keys(make_server):
    server = make_server(env={"SANDBOX_API_KEYS": "one:" + "k" * 32}).start()
    answer = server.client.post("/api/execute", {"code": "print(1)"})
    assert answer.status == 401 and answer.json["status"] == "Error" and "API key" in answer.json["output"]
    answer = server.client.post("/api/execute", {"code": "print(1)"}, headers={"X-API-Key": "k" * 32})
    assert answer.json["output"] == "1\n"


def test_a_client_that_leaves_ends_its_run(client):
    before = client.health()["sessions"]["active"]
    with client.socket() as s:
        body = b'{"code": "while True: pass"}'
        s.sendall(b"POST /api/execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        until(lambda: client.health()["executions"]["active"] > 0, "the run begins")
    until(lambda: client.health()["sessions"]["active"] <= before and client.health()["executions"]["active"] == 0, "the run is ended")
