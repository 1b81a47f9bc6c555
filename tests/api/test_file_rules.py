"""What the policies say about names of files: types that may be uploaded, and hidden ones."""

import pytest

from harness import ServerFailed, write_policies

FORM = "multipart/form-data; boundary=b"


@pytest.fixture
def ruled(make_server, tmp_path):
    def start(resources=None, **filesystem):
        changes = {"filesystem": filesystem, **({"resources": resources} if resources else {})}
        return make_server(env={"SANDBOX_POLICY_DIR": write_policies(tmp_path, **changes)}).start().client

    return start


def ways(client, session, name):
    """The statuses of every way to upload a file of this name."""
    form = f'--b\r\nContent-Disposition: form-data; name="f"; filename="{name}"\r\n\r\nx\r\n--b--\r\n'
    put = client.request("PUT", f"/api/v1/sessions/{session}/files/{name}", b"x", headers={"Content-Type": "application/octet-stream"})
    post = client.request("POST", f"/api/v1/sessions/{session}/files", form.encode(), headers={"Content-Type": FORM})
    run = client.post("/api/v1/execute", {"code": "1", "sessionId": session, "files": {name: "x"}})
    made = client.post("/api/v1/sessions", {"files": {name: "x"}})
    return [answer.status for answer in (put, post, run, made)]


def denials(client):
    line = next(line for line in client.get("/metrics").body.decode().splitlines() if line.startswith('penny_policy_denials_total{policy="files"}'))
    return float(line.split()[1])


ALLOWED, REFUSED = [201, 201, 200, 201], [422, 422, 400, 400]


def test_types_of_uploads(ruled):
    """The lists of both files hold, as lists or as lists by kind; what a program writes is its own business."""
    client = ruled(resources={"storage": {"allowedFileTypes": [".txt", ".csv", ".py"]}},
                   fileTypes={"allowed": {"description": "by kind", "text": [".txt"], "data": [".CSV", ".json"]}, "blocked": {"odd": [".bad.txt"]}})
    session, before = client.session(), denials(client)
    assert ways(client, session, "a.txt") == ALLOWED
    assert ways(client, session, "dir/b.csv") == ALLOWED
    assert ways(client, session, "c.json") == REFUSED, "only the one file allows it"
    assert ways(client, session, "d.py") == REFUSED, "only the other does"
    assert ways(client, session, "e.bad.txt") == REFUSED
    assert ways(client, session, "none") == REFUSED
    assert denials(client) == before + 16
    assert client.stdout("open('f.exe', 'w').write('x')\nprint('written')", session) == "written\n"
    assert client.get(f"/api/v1/sessions/{session}/files/f.exe").body == b"x"


def test_hidden_files_may_be_kept_from_clients(ruled):
    client = ruled(security={"hiddenFiles": {"access": False, "create": False, "patterns": [".*", "_*"]}})
    session = client.session()
    for name in (".env", "_x", "dir/.git", ".git/config"):
        assert ways(client, session, name) == REFUSED, name
    assert ways(client, session, "a.b_c") == ALLOWED
    client.stdout("import os\nos.makedirs('.d/e')\nopen('.d/e/f', 'w').write('1')\nopen('_y', 'w').write('2')\nprint(open('_y').read())", session)
    entries = client.expect(200, "GET", f"/api/v1/sessions/{session}/files?depth=5")["entries"]
    assert [e["path"] for e in entries] == ["a.b_c"]
    for path in (".d", ".d/e/f", "_y"):
        assert client.get(f"/api/v1/sessions/{session}/files/{path}").status == 403
        assert client.get(f"/api/v1/sessions/{session}/files?path={path}").status == 403
        assert client.delete(f"/api/v1/sessions/{session}/files/{path}?recursive=true").status == 403
    assert client.stdout("print(open('_y').read())", session) == "2\n"


def test_hidden_files_are_files_like_any_other_without_such_a_rule(client, session):
    assert ways(client, session, ".env") == ALLOWED
    assert client.get(f"/api/v1/sessions/{session}/files/.env").body == b"x"


@pytest.mark.parametrize("change, word", [
    ({"security": {"symlinkFollowing": {"enabled": True}}}, "enabled"), ({"security": {"hiddenFiles": {"access": "no"}}}, "access"),
    ({"fileTypes": {"allowed": {"text": [1]}}}, "text"), ({"fileTypes": {"blocked": ".exe"}}, "blocked"),
])
def test_wrong_rules_are_refused_at_the_start(ruled, change, word):
    with pytest.raises(ServerFailed) as failure:
        ruled(**change)
    assert "filesystem.json:" in failure.value.log and word in failure.value.log
