"""E2B's contexts: further interpreters of one sandbox, in its jail, with its files and with variables of their own."""

import os
import signal

import pytest

from harness.e2b import create, kill, run
from harness import retry, until, write_policies


@pytest.fixture
def sandbox(client):
    sandbox = create(client, envVars={"COLOUR": "blue"})
    yield sandbox
    client.delete(f"/e2b/sandboxes/{sandbox}")


def contexts(client, sandbox):
    return client.expect(200, "GET", "/e2b/contexts", headers={"E2b-Sandbox-Id": sandbox})


def add(client, sandbox, **body):
    return client.expect(200, "POST", "/e2b/contexts", body, headers={"E2b-Sandbox-Id": sandbox})


def value(client, sandbox, code, context=None):
    return run(client, sandbox, code, **({"context_id": context["id"]} if context else {}))[-1].get("text")


def test_the_default_one(client, sandbox):
    only, = contexts(client, sandbox)
    assert only == {"id": "default", "language": "python", "cwd": "/workspace"}
    assert value(client, sandbox, "import os\nos.getcwd()", only) == "/workspace"
    run(client, sandbox, "x = 1")
    named = {"E2b-Sandbox-Id": sandbox}
    assert client.post("/e2b/contexts/default/restart", {}, headers=named).status == 200
    assert run(client, sandbox, "x")[-1]["name"] == "NameError"
    assert client.delete("/e2b/contexts/default", headers=named).json["code"] == 400


def test_variables_of_its_own_and_common_files(client, sandbox):
    run(client, sandbox, "x = 1\nopen('f', 'w').write('common')")
    one, two = add(client, sandbox, language="Python"), add(client, sandbox, cwd="/tmp")
    assert [c["id"] for c in contexts(client, sandbox)][0] == "default" and {c["cwd"] for c in contexts(client, sandbox)} == {"/workspace", "/tmp"}
    run(client, sandbox, "x = 2", context_id=one["id"])
    assert run(client, sandbox, "x", context_id=two["id"])[-1]["name"] == "NameError"
    assert value(client, sandbox, "x") == "1" and value(client, sandbox, "x", one) == "2"
    code = "import os\n(os.getcwd(), os.environ['COLOUR'], open('/home/user/f').read())"
    assert value(client, sandbox, code, two) == "('/tmp', 'blue', 'common')"
    run(client, sandbox, "os.chdir('/workspace')", context_id=two["id"])
    assert value(client, sandbox, "os.getcwd()", two) == "/workspace", "it goes where it likes afterwards"


def test_restart_and_remove(client, sandbox):
    named = {"E2b-Sandbox-Id": sandbox}
    one = add(client, sandbox, cwd="/tmp")
    run(client, sandbox, "x = 1", context_id=one["id"])
    assert client.post(f"/e2b/contexts/{one['id']}/restart", headers=named).status == 200
    assert run(client, sandbox, "x", context_id=one["id"])[-1]["name"] == "NameError"
    assert value(client, sandbox, "import os\nos.getcwd()", one) == "/tmp", "where it was made"
    assert client.delete(f"/e2b/contexts/{one['id']}", headers=named).status == 204
    for method, path, body in (("DELETE", f"/contexts/{one['id']}", None), ("POST", f"/contexts/{one['id']}/restart", {}), ("POST", "/execute", {"code": "1", "context_id": one["id"]})):
        assert client.request(method, "/e2b" + path, body, headers=named).json == {"code": 404, "message": "Context not found"}
    assert len(contexts(client, sandbox)) == 1 and value(client, sandbox, "1") == "1"


def test_one_does_not_wait_for_another(client, sandbox):
    execution = client.start("print('begun', flush=True)\nwhile True: pass", sandbox)
    until(lambda: "running" in str(client.execution(execution)["status"]), "it runs")
    one = add(client, sandbox)
    assert value(client, sandbox, "6 * 7", one) == "42"
    client.delete(f"/api/v1/executions/{execution}")


def test_a_dead_interpreter_is_its_own_affair(client, sandbox):
    one = add(client, sandbox)
    run(client, sandbox, "x = 1")
    assert run(client, sandbox, "import os\nos._exit(3)", context_id=one["id"])[-1]["type"] == "error"
    assert value(client, sandbox, "x") == "1" and value(client, sandbox, "2", one) == "2"


def test_it_ends_with_its_sandbox(client):
    sandbox = create(client)
    one = add(client, sandbox)
    kill(client, sandbox)
    until(lambda: client.get(f"/api/v1/sessions/{one['id']}").status == 410, "it is gone")


def test_of_another_sandbox(client, sandbox):
    other = create(client)
    one = add(client, other)
    answer = client.post("/e2b/execute", {"code": "1", "context_id": one["id"]}, headers={"E2b-Sandbox-Id": sandbox})
    assert answer.json == {"code": 404, "message": "Context not found"} and len(contexts(client, sandbox)) == 1
    kill(client, other)


@pytest.mark.parametrize("body, status", [({"language": "r"}, 404), ({"language": 5}, 400), ({"cwd": ""}, 400), ({"cwd": 5}, 400)])
def test_refused(client, sandbox, body, status):
    answer = client.post("/e2b/contexts", body, headers={"E2b-Sandbox-Id": sandbox})
    assert answer.status == status == answer.json["code"] and answer.json["message"]


def test_a_directory_that_is_not_there(client, sandbox):
    one = add(client, sandbox, cwd="/workspace/nowhere")
    assert run(client, sandbox, "1", context_id=one["id"])[-1]["name"] == "FileNotFoundError"
    run(client, sandbox, "import os\nos.mkdir('nowhere')")
    assert value(client, sandbox, "2", one) == "2"


def test_more_than_fit(make_server, tmp_path):
    policies = write_policies(tmp_path, resources={"process": {"maxFamily": 2}})
    client = make_server(env={"SANDBOX_POLICY_DIR": policies}).start().client
    sandbox = create(client)
    add(client, sandbox)
    answer = client.post("/e2b/contexts", {}, headers={"E2b-Sandbox-Id": sandbox})
    assert answer.status in (429, 503) and answer.json["code"] == answer.status and "2 together" in answer.json["message"]


def test_they_outlive_the_server_process(make_server):
    server = make_server().start()
    client = server.client
    sandbox = create(client)
    one = add(client, sandbox, cwd="/tmp")
    run(client, sandbox, "x = 5", context_id=one["id"])
    old = until(server.server_pid, "a server process runs")
    os.kill(old, signal.SIGKILL)
    until(lambda: server.server_pid() not in (None, old), "another server process runs")
    retry(lambda: client.get("/health"))
    assert contexts(client, sandbox)[1:] == [one] and value(client, sandbox, "x", one) == "5"
    kill(client, sandbox)
    until(lambda: client.get(f"/api/v1/sessions/{one['id']}").status == 410, "it ends with its sandbox")


def test_in_every_tier_it_is_where_it_was_wanted(tier_server):
    """Also where the workspace lies elsewhere."""
    client = tier_server.client
    sandbox = create(client)
    run(client, sandbox, "import os\nos.mkdir('folder')\nopen('f', 'w').close()")
    for directory, found in (("/workspace", "['f', 'folder']"), ("/home/user", "['f', 'folder']"), ("/workspace/folder", "[]"), ("/home/user/folder/", "[]"), ("/tmp", "elsewhere")):
        context = add(client, sandbox, cwd=directory)
        assert value(client, sandbox, "import os\nsorted(os.listdir()) if os.getcwd() != '/tmp' else 'elsewhere'", context) == found, directory
    client.delete(f"/e2b/sandboxes/{sandbox}")
