"""What tests of E2B's paths begin with."""

import json


def create(client, version="", **body):
    return client.expect(201, "POST", f"/e2b{version}/sandboxes", {"templateID": "base", "timeout": 60, **body})["sandboxID"]


def get(client, sandbox):
    return client.expect(200, "GET", f"/e2b/sandboxes/{sandbox}")


def kill(client, sandbox):
    answer = client.delete(f"/e2b/sandboxes/{sandbox}")
    assert answer.status == 204 and answer.body == b"", answer


def _joined(lines):
    """Text that came in several lines is one: where it is cut is a matter of time."""
    joined = []
    for line in lines:
        if joined and line["type"] in ("stdout", "stderr") and joined[-1]["type"] == line["type"]:
            joined[-1] = {**joined[-1], "text": joined[-1]["text"] + line["text"]}
        else:
            joined.append(line)
    return joined


def run(client, sandbox, code, headers=None, **fields):
    """The lines of a run."""
    answer = client.post("/e2b/execute", {"code": code, **fields}, headers={"E2b-Sandbox-Id": sandbox, "E2b-Sandbox-Port": "49999", **(headers or {})})
    assert answer.status == 200, answer
    lines = [json.loads(line) for line in answer.body.splitlines()]
    assert lines[-1] == {"type": "end_of_execution"}
    return _joined(line for line in lines[:-1] if line["type"] != "keepalive")
