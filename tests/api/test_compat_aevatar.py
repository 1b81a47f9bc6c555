"""Aevatar's sandbox routes: both generations of bodies, its numeric status, quantities, and the routes without keys."""

import hashlib

import pytest

from harness import until

PENDING, RUNNING, COMPLETED, FAILED, TIMED_OUT, CANCELLED = range(6)


def execute(client, code, path="/api/sandbox/execute", **fields):
    return client.expect(200, "POST", path, {"code": code, **fields})


def start(client, code, **fields):
    return client.expect(200, "POST", "/api/sandbox/execute-async", {"code": code, **fields})["executionId"]


def status(client, execution):
    return client.expect(200, "GET", f"/api/sandbox/status/{execution}")


def ended(client, execution):
    return until(lambda: (s := status(client, execution))["isCompleted"] and s, "the execution ends")


@pytest.mark.parametrize("path", ["/api/sandbox/execute", "/api/python/execute"])
def test_success(client, path):
    answer = execute(client, "print('Hello, World!')", path)
    assert answer["status"] == COMPLETED and answer["isCompleted"] is True and answer["success"] is True
    assert (answer["output"], answer["error"], answer["exitCode"], answer["language"], answer["timedOut"]) == ("Hello, World!\n", "", 0, "python", False)
    assert answer["startTime"] <= answer["endTime"] and answer["podName"] and answer["executionId"] == answer["sandboxExecutionId"]
    assert set(answer["resourceUsage"]) == {"cpuUsageCores", "memoryUsageBytes", "networkInBytes", "networkOutBytes", "diskReadBytes", "diskWriteBytes"}
    assert answer["scriptHash"] == hashlib.sha256(b"print('Hello, World!')").hexdigest()


@pytest.mark.parametrize("code, number, exit_code, error", [
    ("1/0", FAILED, 1, "ZeroDivisionError"), ("raise SystemExit(4)", FAILED, 4, "SystemExit"), ("import os\nos._exit(1)", FAILED, -9, "exited with status 1"),
    ("while True: pass", TIMED_OUT, 124, "Execution timeout after 3000ms")])
def test_failures(client, code, number, exit_code, error):
    answer = execute(client, "print('before', flush=True)\n" + code, timeout=3 if number == TIMED_OUT else 60)
    assert (answer["status"], answer["exitCode"], answer["output"]) == (number, exit_code, "before\n")
    assert error in answer["error"] and answer["timedOut"] is (number == TIMED_OUT) and not answer["success"]


def test_standard_error_is_not_standard_output(client):
    answer = execute(client, "import sys\nprint(1)\nprint(2, file=sys.stderr)")
    assert (answer["output"], answer["stdout"], answer["stderr"], answer["error"]) == ("1\n", "1\n", "2\n", "2\n")


@pytest.mark.parametrize("resources", [
    {"resources": {"cpu": "500m", "memory": "128Mi"}}, {"resources": {"cpuLimitCores": 0.5, "memoryLimitBytes": 134217728}},
    {"Resources": {"CpuLimit": "500m", "MemoryLimit": "128Mi", "DiskLimit": "1Gi"}},
    {"resourceLimits": {"cpuLimitCores": 1.0, "memoryLimitBytes": 134217728, "timeoutSeconds": 20}}])
def test_limits_hold(client, resources):
    answer = execute(client, "x = bytearray(400 << 20)", **resources)
    assert answer["status"] == FAILED and answer["exitCode"] in (1, -9) and "emory" in answer["error"], answer


def test_the_disk_limit_holds(client):
    answer = execute(client, "open('big', 'wb').write(bytes(8 << 20))", resources={"diskLimit": "2Mi"})
    assert answer["status"] == FAILED and "No space left" in answer["error"]


@pytest.mark.parametrize("timeout", [{"timeout": 1}, {"timeout": "1"}, {"Timeout": "00:00:01"}, {"timeout": "00:00:00.5000000"}, {"resourceLimits": {"timeoutSeconds": 1}}])
def test_time_limits(client, timeout):
    assert execute(client, "while True: pass", **timeout)["status"] == TIMED_OUT


@pytest.mark.parametrize("body, field", [
    ({}, "Code"), ({"code": ""}, "Code"), ({"code": 1}, "Code"), ({"code": "1", "language": "ruby"}, "Language"), ({"code": "1", "languageId": "node"}, "LanguageId"),
    ({"code": "1", "timeout": 0}, "Timeout"), ({"code": "1", "timeout": 301}, "Timeout"), ({"code": "1", "timeout": "00:06:00"}, "Timeout"),
    ({"code": "1", "resources": 5}, "Resources"), ({"code": "1", "resources": {"memory": "much"}}, "Memory"), ({"code": "1", "resources": {"memory": "1Mi"}}, "Memory"),
    ({"code": "1", "resources": {"cpu": "-1"}}, "Cpu"), ({"code": "1", "resources": {"diskLimit": "1"}}, "DiskLimit")])
def test_validation(client, body, field):
    answer = client.post("/api/sandbox/execute", body)
    assert answer.status == 400 and answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json["status"] == 400 and answer.json["title"] and list(answer.json["errors"]) == [field], answer


@pytest.mark.parametrize("body, headers, code", [("{", {}, 400), ("x", {"Content-Type": "text/plain"}, 415), ('{"code": "' + "#" * (17 << 20) + '"}', {}, 413)])
def test_other_refusals_are_problems_too(client, body, headers, code):
    answer = client.post("/api/python/execute", body, headers=headers)
    assert answer.status == code == answer.json["status"] and answer.headers["content-type"].startswith("application/problem+json") and answer.json["detail"]


def test_async(client):
    execution = start(client, "print('at once', flush=True)\ntext = open('/workspace/go').read()", timeout=20)
    assert status(client, execution)["status"] in (PENDING, RUNNING, FAILED)
    answer = ended(client, execution)
    assert answer["executionId"] == execution and answer["output"] == "at once\n" and "FileNotFoundError" in answer["error"]
    assert client.expect(200, "GET", f"/api/sandbox/result/{execution}") == status(client, execution)


def test_result_is_not_there_until_the_end(client):
    execution = start(client, "while True: pass")
    until(lambda: status(client, execution)["status"] == RUNNING, "it runs")
    running = status(client, execution)
    assert running["isCompleted"] is False and running["endTime"] is None
    answer = client.get(f"/api/sandbox/result/{execution}")
    assert answer.status == 404 and answer.json["code"] == "EXECUTION_NOT_ENDED"
    answer = client.post(f"/api/sandbox/cancel/{execution}")
    assert answer.status == 200 and answer.body == b""
    assert ended(client, execution)["status"] == CANCELLED
    assert client.post(f"/api/sandbox/cancel/{execution}").status == 200, "a second time changes nothing"


def test_what_came_of_it_outlives_the_session(client):
    execution = start(client, "print(7)")
    session = ended(client, execution)["workloadName"]
    until(lambda: client.get(f"/api/v1/sessions/{session}").status == 410, "the session is over")
    assert status(client, execution)["output"] == "7\n"
    assert client.expect(200, "GET", f"/api/sandbox/logs/{execution}")["lines"] == ["7"]
    assert client.execution(execution)["result"]["output"]["stdout"] == "7\n"


def test_logs(client):
    execution = start(client, "import sys\nfor i in range(5):\n    print('out', i, flush=True)\n    print('err', i, file=sys.stderr, flush=True)")
    ended(client, execution)

    def logs(query=""):
        return client.expect(200, "GET", f"/api/sandbox/logs/{execution}{query}")

    lines = [f"{stream} {i}" for i in range(5) for stream in ("out", "err")]
    whole = logs()
    assert whole["lines"] == lines and whole["hasMore"] is False and whole["truncated"] is False and whole["podName"]
    assert whole["stdout"] == "".join(f"out {i}\n" for i in range(5)) and whole["stderr"] == "".join(f"err {i}\n" for i in range(5))
    assert (logs("?maxLines=2")["lines"], logs("?maxLines=2")["hasMore"]) == (lines[-2:], True)
    assert logs("?maxLines=3&tail=false")["lines"] == lines[:3]
    assert logs("?includeStderr=False")["lines"] == lines[::2] and logs("?includeStderr=false")["stderr"] == ""
    for wrong in ("?maxLines=0", "?tail=maybe", "?follow=true", "?since=2024-01-01"):
        assert client.get(f"/api/sandbox/logs/{execution}{wrong}").status == 400, wrong


def test_logs_of_a_running_one(client):
    execution = start(client, "print('first', flush=True)\nwhile True: pass")
    until(lambda: client.expect(200, "GET", f"/api/sandbox/logs/{execution}")["lines"] == ["first"], "the first line is there")
    client.post(f"/api/sandbox/cancel/{execution}")
    ended(client, execution)


@pytest.mark.parametrize("path", ["status", "result", "logs", "cancel"])
def test_unknown(client, path):
    answer = client.request("POST" if path == "cancel" else "GET", f"/api/sandbox/{path}/no-such-execution")
    assert answer.status == 404 and answer.json["title"] == "Not Found" and "no-such-execution" in answer.json["detail"]


# ---- the earlier generation ----

@pytest.mark.parametrize("id", ["run-42", "0d9f5a30-0000-4000-8000-00000000abcd"])
def test_earlier_generation(client, id):
    body = {"sandboxExecutionId": id, "languageId": "python", "code": "print(40 + 2)", "timeoutSeconds": 20, "tenantId": "t", "chatId": "c", "parameters": {}}
    handle = client.expect(200, "POST", "/api/sandbox/execute", body)
    assert handle["sandboxExecutionId"] == id and handle["workloadName"] and handle["startedAtUtc"].endswith("Z")
    result = until(lambda: (r := client.get(f"/api/sandbox/result/{id}")).status == 200 and r.json, "the result is there")
    assert (result["sandboxExecutionId"], result["success"], result["stdout"], result["exitCode"], result["timedOut"]) == (id, True, "42\n", 0, False)
    assert result["execTimeSec"] > 0 and result["memoryUsedMB"] >= 0 and result["finishedAtUtc"].endswith("Z")
    again = client.post("/api/sandbox/execute", body)
    assert again.status == 409 and again.json["title"] == "Conflict"


def test_another_key_sees_nothing(make_server):
    one, two = "o" * 32, "t" * 32
    server = make_server(env={"SANDBOX_API_KEYS": f"one:{one},two:{two}"}).start()

    def request(key, method, path, body=None):
        return server.client.request(method, path, body, headers={"X-API-Key": key} if key else {})

    assert request(None, "POST", "/api/sandbox/execute", {"code": "1"}).json["title"] == "Unauthorized"
    body = {"sandboxExecutionId": "mine", "languageId": "python", "code": "print('secret')"}
    assert request(one, "POST", "/api/sandbox/execute", body).status == 200
    until(lambda: request(one, "GET", "/api/sandbox/result/mine").status == 200, "it ends")
    uuid = request(one, "POST", "/api/sandbox/execute-async", {"code": "1"}).json["executionId"]
    for id in ("mine", uuid):
        for method, path in (("GET", "status"), ("GET", "result"), ("GET", "logs"), ("POST", "cancel")):
            assert request(two, method, f"/api/sandbox/{path}/{id}").status == 404
    assert request(two, "POST", "/api/sandbox/execute", body).status == 200, "a name is the key's own"


# ---- without keys ----

def test_noauth_is_off(client):
    for method, path in (("GET", "/api/noauth"), ("POST", "/api/noauth/execute"), ("GET", "/api/test"), ("POST", "/api/test/execute")):
        answer = client.request(method, path, {"code": "1"} if method == "POST" else None)
        assert answer.status == 404 and answer.json["error"] == f"Route {method}:{path} not found"


def test_noauth(make_server):
    client = make_server(env={"SANDBOX_NOAUTH": "on", "SANDBOX_API_KEYS": "one:" + "k" * 32}).start().client
    assert client.expect(200, "GET", "/api/noauth")["message"] and client.expect(200, "GET", "/api/test")["message"]
    assert client.post("/api/v1/execute", {"code": "1"}).status == 401, "only these routes are open"
    for path in ("/api/noauth/execute", "/api/test/execute"):
        answer = client.expect(200, "POST", path, {"code": "print(6 * 7)", "language": "python", "resourceLimits": {"timeoutSeconds": 10}})
        assert answer.pop("executionTime") > 0
        assert answer == {"message": "Code execution successful", "code": "print(6 * 7)", "language": "python", "output": "42\n", "exitCode": 0}
    answer = client.expect(200, "POST", "/api/noauth/execute", {"code": "print(1)\n1/0"})
    assert answer["exitCode"] == 1 and answer["output"].startswith("1\nTraceback") and answer["message"] == "Code execution failed"
    answer = client.post("/api/noauth/execute", {"language": "python"})
    assert answer.status == 400 and "code" in answer.json["error"]
    assert client.get("/api/v1/sessions", headers={"X-API-Key": "k" * 32}).json["total"] == 0, "they belong to no key"
