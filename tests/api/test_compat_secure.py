"""secure-python-sandbox's server: its four routes, in seconds, base64, forms and FastAPI's errors."""

import base64

import pytest

from harness import until


def b64(data):
    return base64.b64encode(data).decode()


def execute(client, code, status=200, **fields):
    return client.expect(status, "POST", "/execute", {"code": code, **fields})


def form(client, parts):
    """A form of (name, filename or None, bytes)."""
    lines = []
    for name, filename, content in parts:
        extra = f'; filename="{filename}"' if filename is not None else ""
        lines.append(f'--sep\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'.encode() + content + b"\r\n")
    return client.post("/execute-with-files", b"".join(lines) + b"--sep--\r\n", headers={"Content-Type": "multipart/form-data; boundary=sep"})


def test_index_and_health(client):
    assert client.expect(200, "GET", "/", headers={"Accept": "application/json"})["status"] == "ok"
    assert client.expect(200, "GET", "/")["message"] == "Python Code Sandbox API is running"
    assert b"<html" in client.get("/", headers={"Accept": "text/html"}).body
    health = client.health()
    assert health["status"] == "healthy" and health["execution_mode"] == "secure"
    assert health["config"]["default_timeout"] == 30 and health["config"]["default_allow_network"] is False and health["config"]["max_output_size"] > 0


def test_success(client):
    assert execute(client, "print('  Hello, World!  ')") == {"stdout": "Hello, World!", "stderr": "", "return_code": 0, "output_files": {}}


def test_empty_code_is_a_program(client):
    assert execute(client, "") == {"stdout": "", "stderr": "", "return_code": 0, "output_files": {}}


@pytest.mark.parametrize("code, return_code, stderr", [
    ("1/0", 1, "ZeroDivisionError: division by zero"), ("raise SystemExit(7)", 7, ""), ("raise SystemExit('why')", 1, "why"),
    ("import os\nos._exit(5)", -9, "exited with status 5"), ("import ctypes\nctypes.string_at(0)", -9, "SIGSEGV")])
def test_failures_are_answers(client, code, return_code, stderr):
    answer = execute(client, "print('before')\n" + code)
    assert answer["return_code"] == return_code and stderr in answer["stderr"]
    assert answer["stdout"] == "before"


def test_a_syntax_error(client):
    answer = execute(client, "print('before')\nx = (")
    assert answer["return_code"] == 1 and "SyntaxError" in answer["stderr"] and answer["stdout"] == ""


def test_both_streams(client):
    answer = execute(client, "import sys\nprint(1)\nprint(2, file=sys.stderr)")
    assert (answer["stdout"], answer["stderr"], answer["return_code"]) == ("1", "2", 0)


def test_refused_by_policy(standard_server):
    answer = execute(standard_server.client, "print(1)\nimport os")
    assert answer["return_code"] == 1 and answer["stdout"] == "1" and answer["stderr"].startswith("Security Error: import os is not allowed")


def test_timeout_is_in_seconds(client):
    answer = execute(client, "print('before', flush=True)\nwhile True: pass", timeout=3)
    assert answer["return_code"] == -1 and answer["stdout"] == "before" and answer["stderr"] == "Execution timed out after 3 seconds"


def test_defaults_from_its_environment(make_server):
    server = make_server(env={"SANDBOX_MODE": "secure", "SANDBOX_TIMEOUT": "1", "SANDBOX_ALLOW_NETWORK": "false", "SANDBOX_MAX_MEMORY_MB": "128"}).start()
    assert execute(server.client, "while True: pass")["stderr"] == "Execution timed out after 1 seconds"
    assert execute(server.client, "x = bytearray(300 << 20)", timeout=20)["return_code"] != 0


def test_files_in_and_out(client):
    answer = execute(client, "open('result.txt', 'w').write(open('data.csv').read().upper())\nopen('bin', 'wb').write(bytes(range(256)))",
                     files={"data.csv": b64(b"a,b\n1,2\n"), "../../etc/other.txt": b64(b"x")})
    assert answer["return_code"] == 0
    assert {name: base64.b64decode(text) for name, text in answer["output_files"].items()} == {"result.txt": b"A,B\n1,2\n", "bin": bytes(range(256))}


def test_a_path_becomes_its_name(client):
    assert execute(client, "print(open('other.txt').read())", files={"../../etc/other.txt": b64(b"x")})["stdout"] == "x"


def test_a_changed_input_and_a_file_in_a_directory_come_back(client):
    answer = execute(client, "import os\nopen('a.txt', 'a').write('2')\nos.mkdir('d')\nopen('d/b.txt', 'w').write('3')", files={"a.txt": b64(b"1")})
    assert answer["output_files"] == {"a.txt": b64(b"12"), "d/b.txt": b64(b"3")}


def test_files_that_are_too_large_are_named(client):
    answer = execute(client, "open('small', 'w').write('1')\nopen('huge', 'wb').write(bytes(17 << 20))")
    assert answer["output_files"] == {"small": b64(b"1")} and answer["return_code"] == 0
    assert answer["stderr"] == "This file could not be returned: huge"


def test_much_output_is_marked(client):
    answer = execute(client, "for _ in range(300): print('x' * 65536)")
    assert answer["return_code"] == 0 and answer["stdout"].endswith("x\n... (output truncated)")


def test_one_long_run_does_not_hold_up_another(client):
    background = client.start("input()")  # an execution that waits
    assert execute(client, "print(1)")["stdout"] == "1"
    client.delete(f"/api/v1/executions/{background}")


@pytest.mark.parametrize("body, where, kind", [
    ({}, "code", "missing"), ({"code": 1}, "code", "string_type"), ({"code": "1", "timeout": 0}, "timeout", "greater_than_equal"),
    ({"code": "1", "timeout": 301}, "timeout", "less_than_equal"), ({"code": "1", "timeout": "soon"}, "timeout", "int_parsing"),
    ({"code": "1", "files": []}, "files", "dict_type"), ({"code": "1", "files": {"a": 1}}, "files", "value_error"),
    ({"code": "1", "allow_network": "maybe"}, "allow_network", "bool_parsing")])
def test_validation(client, body, where, kind):
    detail = client.expect(422, "POST", "/execute", body)["detail"]
    assert [(d["type"], d["loc"]) for d in detail] == [(kind, ["body", where])]
    assert all(d["msg"] and "input" in d for d in detail)


@pytest.mark.parametrize("body, headers", [("{", {}), ("[]", {}), ("code=1", {"Content-Type": "text/plain"})])
def test_not_json(client, body, headers):
    answer = client.post("/execute", body, headers=headers)
    assert answer.status == 422 and answer.json["detail"][0]["type"] == "json_invalid"


def test_not_base64(client):
    answer = client.post("/execute", {"code": "1", "files": {"data.csv": "!!"}})
    assert answer.status == 400 and answer.json["detail"].startswith("Invalid base64 encoding for file data.csv")


def test_too_large(client):
    answer = client.post("/execute", {"code": "#" * (17 << 20)})
    assert answer.status == 413 and "too large" in answer.json["detail"]


def test_keys(make_server):
    server = make_server(env={"SANDBOX_API_KEYS": "one:" + "k" * 32}).start()
    answer = server.client.post("/execute", {"code": "print(1)"})
    assert answer.status == 401 and "API key" in answer.json["detail"]
    answer = server.client.post("/execute", {"code": "print(1)"}, headers={"Authorization": "Bearer " + "k" * 32})
    assert answer.json["stdout"] == "1"
    assert server.client.expect(200, "GET", "/")["status"] == "ok"


# ---- the form ----

def test_form(client):
    answer = form(client, [("code", None, b"print(open('a.txt').read(), open('b.bin', 'rb').read())\nopen('out', 'w').write('o')"), ("timeout", None, b"5"),
                           ("allow_network", None, b"false"), ("files", "a.txt", b"caf\xc3\xa9"), ("files", "dir/b.bin", b"\x00\r\n--se")])
    assert answer.status == 200, answer
    body = answer.json
    assert body.pop("execution_time") > 0
    assert body == {"stdout": "café b'\\x00\\r\\n--se'", "stderr": "", "return_code": 0, "output_files": {"out": b64(b"o")}}


def test_form_with_no_file_chosen(client):
    assert form(client, [("code", None, b"print(1)"), ("files", "", b"")]).json["stdout"] == "1"


@pytest.mark.parametrize("parts, where", [([("timeout", None, b"5")], "code"), ([("code", None, b"1"), ("timeout", None, b"301")], "timeout"),
                                          ([("code", None, b"1"), ("allow_network", None, b"perhaps")], "allow_network"),
                                          ([("code", None, b"1"), ("files", "..", b"1")], "files"), ([("code", None, b"\xff")], "code")])
def test_form_validation(client, parts, where):
    answer = form(client, parts)
    assert answer.status == 422 and any(where in d["loc"] or "UTF-8" in d["msg"] for d in answer.json["detail"]), answer


@pytest.mark.parametrize("body, kind", [(b"x", "text/plain"), (b"--sep\r\nbroken", "multipart/form-data; boundary=sep"), (b"", "multipart/form-data; boundary=sep")])
def test_not_a_form(client, body, kind):
    answer = client.post("/execute-with-files", body, headers={"Content-Type": kind})
    assert answer.status == 422 and answer.json["detail"][0]["loc"][0] == "body", answer


def test_no_session_is_left(client):
    before = client.get("/api/v1/sessions").json["total"]
    execute(client, "open('a', 'w').close()")
    form(client, [("files", "a", b"1")])
    until(lambda: client.get("/api/v1/sessions").json["total"] <= before, "the run's session is gone")
