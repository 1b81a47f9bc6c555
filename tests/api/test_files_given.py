"""Files that come with an execution or a session, and those that a run has made."""

import base64

import pytest

from harness import until, until_interrupted
from harness.files import Files, assert_error


# -- with an execution, with a session --


def test_files_of_an_execution(tier_files):
    text = "größe\n"
    given = {"in/text.txt": {"content": text}, "b.bin": {"content": base64.b64encode(bytes(range(256))).decode(), "encoding": "base64"}, "plain": "as it is"}
    assert tier_files.run("print(open('in/text.txt').read(), open('b.bin','rb').read() == bytes(range(256)), open('plain').read())", files=given) == f"{text} True as it is\n"


def test_files_are_written_when_the_turn_of_their_execution_has_come(files):
    first = files.client.start(until_interrupted("print('up')") + "print(open('f').read())", files.session, files={"f": "1"})
    with files.client.events(first) as events:
        events.next("stdout", "up")
    second = files.client.start("print(open('f').read())", files.session, files={"f": "2"})
    third = files.client.start("1", files.session, files={"f": "3"})
    fourth = files.client.start("print(open('f').read())", files.session)
    files.client.expect(202, "DELETE", f"/api/v1/executions/{third}")
    files.client.expect(202, "DELETE", f"/api/v1/executions/{first}")
    for execution, wanted in ((first, "up\n1\n"), (second, "2\n"), (fourth, "2\n")):
        with files.client.events(execution) as events:
            events.result()
            assert events.text() == wanted


def test_files_of_a_new_session(client):
    assert client.stdout("print(open('a/b').read())", files={"a/b": "in a session of its own"}) == "in a session of its own\n"
    session = client.session(files={"a/b": "kept", "c": {"content": "Yw==", "encoding": "base64"}})
    files = Files(client, session)
    assert files.read("a/b") == b"kept" and files.read("c") == b"c"
    assert client.execute("1", session)["artifacts"] == []
    client.delete_session(session)
    before = client.expect(200, "GET", "/api/v1/sessions")["total"]
    assert_error(client.post("/api/v1/sessions", {"files": {"a": "", "a/b": ""}}), 409, "NOT_A_DIRECTORY")
    assert client.expect(200, "GET", "/api/v1/sessions")["total"] <= before, "and no session is left of it"


@pytest.mark.parametrize("given", [{"../x": ""}, {"/x": ""}, {"": ""}, {"a": 1}, {"a": {}}, {"a": {"content": 3}}, {"a": {"content": "!", "encoding": "base64"}},
                                   {"a": {"content": "", "encoding": "rot13"}}, {"a": None}, [], "x", {f"{n}": "" for n in range(1001)}])
def test_files_that_are_none(client, given):
    for path, rest in (("/api/v1/execute", {"code": "1"}), ("/api/v1/sessions", {})):
        assert_error(client.post(path, {**rest, "files": given}), 400, "VALIDATION_ERROR")


# -- artifacts --


def artifacts(files, code, /, **fields):
    result = files.client.execute(code, files.session, **fields)
    assert result["success"], result
    return {a["path"]: (a["size"], a["mime"]) for a in result["artifacts"]}


def test_artifacts_are_what_a_run_made_or_changed(tier_files):
    files = tier_files
    files.put("given.csv", b"a,b\n1,2\n")
    assert artifacts(files, "x = open('given.csv').read()") == {}
    assert artifacts(files, "open('out.txt', 'w').write(x)") == {"out.txt": (8, "text/plain")}
    assert artifacts(files, "1 + 1") == {}
    assert artifacts(files, "open('out.txt').read()") == {}
    assert artifacts(files, "open('out.txt', 'a').write('!')") == {"out.txt": (9, "text/plain")}
    assert artifacts(files, "import os; os.makedirs('d/e'); os.rename('out.txt', 'd/e/new.json')") == {"d/e/new.json": (9, "application/json")}
    assert artifacts(files, "import subprocess; subprocess.run('echo hi > d/sh.bin', shell=True, check=True)") == {"d/sh.bin": (3, "application/octet-stream")}
    assert artifacts(files, "import os; os.remove('d/sh.bin'); os.symlink('given.csv', 'link')") == {}
    files.put("given.csv", b"other")
    assert artifacts(files, "open('y', 'w').close()", files={"also.txt": "given"}) == {"y": (0, "application/octet-stream")}
    assert artifacts(files, "open('also.txt', 'w').write('no more')") == {"also.txt": (7, "text/plain")}


def test_artifacts_of_libraries_and_of_runs_that_fail(files):
    assert artifacts(files, "import pandas as pd\npd.DataFrame({'a': [1]}).to_csv('t.csv')")["t.csv"] == (7, "text/csv")
    assert "p.png" in artifacts(files, "import matplotlib.pyplot as plt\nplt.plot([1, 2]); plt.savefig('p.png')")
    assert "s.db" in artifacts(files, "import sqlite3\nc = sqlite3.connect('s.db'); c.execute('create table t (a)'); c.commit(); c.close()")
    result = files.client.execute("open('half', 'w').write('x')\n1/0", files.session)
    assert result["status"] == "error" and [a["path"] for a in result["artifacts"]] == ["half"]
    result = files.client.execute("open('late', 'w').write('x')\nwhile True: pass", files.session, timeout=2000)
    assert result["status"] == "timeout" and [a["path"] for a in result["artifacts"]] == ["late"]


def test_artifacts_after_a_restart_are_only_new_ones(files):
    artifacts(files, "open('old', 'w').write('x')")
    files.client.expect(202, "POST", f"/api/v1/sessions/{files.session}/restart", {})
    assert artifacts(files, "open('new', 'w').write('x')") == {"new": (1, "application/octet-stream")}


def test_artifacts_are_bounded(files):
    result = files.client.execute("for n in range(1200): open(f'f{n:04}', 'w').close()", files.session)
    assert len(result["artifacts"]) == 1000 and result["artifactsOmitted"] == 200
    assert result["artifacts"][0]["path"] == "f0000"
    execution = files.client.start("for n in range(1200): open(f'g{n:04}', 'w').close()", files.session)
    with files.client.events(execution) as events:
        last = events.result()
        assert len(events.seen[-1].text) < 64_000
    assert len(last["artifacts"]) + last["artifactsOmitted"] == 1200 and last["artifacts"]
    later = until(lambda: files.client.execution(execution).get("result"), "the result is there")
    assert (later["artifacts"], later["artifactsOmitted"]) == (last["artifacts"], last["artifactsOmitted"])


def test_forged_artifacts_are_checked(files):
    """The worker is hostile: what it says of files is re-read."""
    result = files.client.execute("""
import gc, json, sys
forged = [{'path': '../../etc/passwd', 'size': 1, 'mime': 'text/plain'}, {'path': 'ok', 'size': 1, 'mime': 'text/html\\r\\nX: y'}, {'path': 'neg', 'size': -1, 'mime': 'a/b'},
          {'path': 3}, 'x', None, {'path': 'big', 'size': 1e300, 'mime': 'a/b'}]
module = sys.modules['penny_runtime.artifacts']
module.scan.__code__ = (lambda: payload.dumps(forged).join([b',"artifacts":', b''])).__code__
module.forged = forged
open('x', 'w').close()
""", files.session)
    assert result["artifacts"] == [{"path": "ok", "size": 1, "mime": "application/octet-stream"}], result
