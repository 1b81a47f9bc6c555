"""What tests of E2B's paths begin with."""

import json


def create(client, version="", **body):
    return client.expect(201, "POST", f"/e2b{version}/sandboxes", {"templateID": "base", "timeout": 60, **body})["sandboxID"]


def get(client, sandbox):
    return client.expect(200, "GET", f"/e2b/sandboxes/{sandbox}")


def kill(client, sandbox):
    answer = client.delete(f"/e2b/sandboxes/{sandbox}")
    assert answer.status == 204 and answer.body == b"", answer


def run(client, sandbox, code, headers=None, **fields):
    """The lines of a run."""
    answer = client.post("/e2b/execute", {"code": code, **fields}, headers={"E2b-Sandbox-Id": sandbox, "E2b-Sandbox-Port": "49999", **(headers or {})})
    assert answer.status == 200, answer
    lines = [json.loads(line) for line in answer.body.splitlines()]
    assert lines[-1] == {"type": "end_of_execution"}
    return [line for line in lines[:-1] if line["type"] != "keepalive"]
