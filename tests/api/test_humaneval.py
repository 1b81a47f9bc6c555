"""164 real programs (HumanEval, MIT): each in a session of its own, and all in one."""

import gzip
import json

import pytest

from harness import ROOT

DATA = ROOT.parent / "shared" / "data" / "HumanEval.jsonl.gz"


@pytest.fixture(scope="module")
def programs():
    if not DATA.exists():
        pytest.skip(f"the data set is not here: {DATA.name}")
    with gzip.open(DATA, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    return [(r["task_id"], f"{r['prompt']}{r['canonical_solution']}\n{r['test']}\ncheck({r['entry_point']})\nprint('passed', {r['task_id']!r})") for r in rows]


def run(client, session, task, code):
    with client.stream(code, session, timeout=60000) as stream:
        result = stream.result()
    if result["status"] != "ok" or stream.text() != f"passed {task}\n":
        return f"{task}: {result['status']} {result.get('error', {}).get('message')} {stream.text()[-200:]!r}"
    return None


@pytest.mark.timeout(300)
def test_each_in_a_session_of_its_own(client, programs):
    failed = []
    for task, code in programs:
        session = client.session()
        failed.append(run(client, session, task, code))
        client.delete_session(session)
    assert len(programs) == 164
    assert not [f for f in failed if f]


@pytest.mark.timeout(300)
def test_all_in_one_session(client, session, programs):
    failed = [run(client, session, task, code) for task, code in programs]
    assert not [f for f in failed if f]
    assert client.expect(200, "GET", f"/api/v1/sessions/{session}")["resourceUsage"]["executions"] == 164
