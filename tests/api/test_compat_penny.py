"""PENNY's python_code tool. (Its client's own routes are /api/v1: test_execute.py and the others; its documents' samples: test_seeds.py.)"""

import base64

import pytest

from harness import until


def execute(client, code, **fields):
    return client.expect(200, "POST", "/api/execute/python", {"code": code, **fields})


def test_shape(client):
    answer = execute(client, "print('Hello from', x)\nx * 2", packages=[], timeout=30, environment="data_science", variables={"x": 21}, files=[],
                     options={"captureOutput": True, "showPlots": True, "returnFormat": "json", "tenantId": "t", "userId": "u"})
    assert answer["output"] == "Hello from 21\n" and answer["errors"] is None and answer["returnValue"] == "42" and answer["variables"] == {"x": 21}
    assert answer["plots"] == answer["files"] == answer["packagesInstalled"] == [] and answer["executionTime"] > 0 and answer["executionId"]
    assert set(answer["resourceUsage"]) == {"cpu", "memory", "disk"} and answer["status"] == "ok"


def test_nothing_is_invented(client):
    answer = execute(client, "pass")
    assert answer["output"] == "" and answer["returnValue"] is None and answer["variables"] == {}


def test_errors_are_text(client):
    answer = execute(client, "print('before')\nraise ValueError('why')")
    assert answer["output"] == "before\n" and answer["errors"].endswith("ValueError: why\n") and answer["status"] == "error"


def test_timeout_is_in_seconds(client):
    answer = execute(client, "while True: pass", timeout=1)
    assert answer["status"] == "timeout" and answer["errors"]


def test_plots(client):
    code = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.title('Sales')\nplt.show()"
    plot, = execute(client, code)["plots"]
    assert (plot["title"], plot["mimeType"]) == ("Sales", "image/png")
    assert base64.b64decode(plot["data"].removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")
    assert execute(client, code, options={"showPlots": False})["plots"] == []


def test_return_formats(client):
    code = "import pandas as pd\npd.DataFrame({'a': [1]})"
    assert "<table" in execute(client, code, options={"returnFormat": "html"})["returnValue"]
    assert "<table" not in execute(client, code)["returnValue"]


def test_packages_that_are_there_already_need_no_installation(client):
    answer = execute(client, "import numpy\nprint(numpy.arange(3).sum())", packages=["numpy", "pandas"])
    assert answer["output"] == "3\n" and answer["packagesInstalled"] == []


def test_a_package_that_can_t_be_had_is_said(client):
    answer = execute(client, "print(1)", packages=["os"])
    assert answer["status"] == "rejected" and answer["output"] == "" and "os" in answer["errors"]


def test_large_values_are_described(client):
    variables = execute(client, "big = list(range(1000))\nnumber = 10 ** 30\nsmall = {'a': [1, 2.5, None]}")["variables"]
    assert variables["small"] == {"a": [1, 2.5, None]} and variables["big"]["type"] == "list" and variables["big"]["truncated"] is True


def test_files(client):
    answer = execute(client, "open('out.txt', 'w').write(open('a.txt').read() + open('b.bin', 'rb').read().hex())\nopen('out.bin', 'wb').write(b'\\xff')",
                     files=[{"name": "a.txt", "content": "é"}, {"name": "b.bin", "content": "AP8=", "encoding": "base64"}])
    files = {f["name"]: f for f in answer["files"]}
    assert files["out.txt"]["content"] == "é00ff" and files["out.txt"]["mimeType"] == "text/plain" and files["out.txt"]["encoding"] == "utf-8"
    assert files["out.bin"]["content"] == "/w==" and files["out.bin"]["encoding"] == "base64"


@pytest.mark.parametrize("body, field", [
    ({}, ""), ({"code": ""}, "code"), ({"code": "1", "timeout": 301}, "timeout"), ({"code": "1", "environment": "gpu"}, "environment"),
    ({"code": "1", "files": [{"name": "a"}]}, "files"), ({"code": "1", "files": [{"name": "../a", "content": ""}]}, "files"),
    ({"code": "1", "files": [{"name": "a", "content": "!", "encoding": "base64"}]}, "files"), ({"code": "1", "variables": {"1a": 1}}, "variables"),
    ({"code": "1", "packages": "numpy"}, "packages"), ({"code": "1", "packages": ["--index-url=http://evil"]}, "packages")])
def test_validation(client, body, field):
    answer = client.post("/api/execute/python", body)
    assert answer.status == 400 and answer.json["code"] == "VALIDATION_ERROR" and answer.json["message"]
    assert field in {e["field"] for e in answer.json["validationErrors"]}, answer


def test_no_session_is_left(client):
    before = client.get("/api/v1/sessions").json["total"]
    execute(client, "open('a', 'w').close()")
    until(lambda: client.get("/api/v1/sessions").json["total"] <= before, "the run's session is gone")
