"""Other systems' clients and the network: as far as the operator's policy goes, refused in their words beyond it."""

import base64
import json

import pytest

from harness import write_policies
from harness.e2b import create, get, kill, run
from harness.site import Site, network

FETCH = "import urllib.request\nprint(urllib.request.urlopen({!r}, timeout=20).read().decode(), end='')"


@pytest.fixture(scope="module")
def site():
    site = Site()
    yield site
    site.close()


@pytest.fixture(scope="module")
def open_server(workplace, site, tmp_path_factory):
    from conftest import _server

    policies = write_policies(tmp_path_factory.mktemp("network"), resources={"network": network(site, allowedPorts=[80, 443, site.port])})
    with _server(workplace, env={"SANDBOX_POLICY_DIR": policies, "SANDBOX_PROFILE": "open"}) as server:
        if not server.client.health()["isolation"].get("network", {}).get("active"):
            pytest.skip(f"no way out here: {server.client.health()['isolation'].get('network')}")
        yield server


@pytest.fixture
def wide(open_server):
    return open_server.client


def fetch(site, path):
    return FETCH.format(f"http://site.test:{site.port}{path}")


# ---- secure-python-sandbox ----

def test_allow_network(wide, site):
    answer = wide.expect(200, "POST", "/execute", {"code": fetch(site, "/secure"), "allow_network": True})
    assert json.loads(answer["stdout"])["path"] == "/secure" and answer["return_code"] == 0, answer
    without = wide.expect(200, "POST", "/execute", {"code": fetch(site, "/without"), "timeout": 20})
    assert without["return_code"] == 1 and not [r for r in site.requests if r[1] == "/without"]
    body = b'--sep\r\nContent-Disposition: form-data; name="code"\r\n\r\n' + fetch(site, "/form").encode() + b'\r\n--sep\r\nContent-Disposition: form-data; name="allow_network"\r\n\r\ntrue\r\n--sep--\r\n'
    form = wide.post("/execute-with-files", body, headers={"Content-Type": "multipart/form-data; boundary=sep"})
    assert json.loads(form.json["stdout"])["path"] == "/form"


def test_allow_network_where_it_is_closed(client):
    reason = "The operator has not enabled networking (resources.json, network)"
    assert client.expect(403, "POST", "/execute", {"code": "print(1)", "allow_network": True}) == {"detail": reason}
    body = b'--sep\r\nContent-Disposition: form-data; name="code"\r\n\r\n1\r\n--sep\r\nContent-Disposition: form-data; name="allow_network"\r\n\r\ntrue\r\n--sep--\r\n'
    form = client.post("/execute-with-files", body, headers={"Content-Type": "multipart/form-data; boundary=sep"})
    assert form.status == 403 and form.json == {"detail": reason}


# ---- E2B ----

@pytest.mark.parametrize("options, opened", [({}, True), ({"allow_internet_access": True}, True), ({"allow_internet_access": False}, False),
                                             ({"network": {"denyOut": ["0.0.0.0/0"]}}, False), ({"network": {"allowOut": ["site.test"]}}, True), ({"network": {}}, True)])
def test_a_sandbox_has_what_the_operator_gives(wide, site, options, opened):
    sandbox = create(wide, **options)
    assert get(wide, sandbox)["allowInternetAccess"] is opened
    path = "/" + base64.b32encode(json.dumps(options).encode()).decode().strip("=")
    lines = run(wide, sandbox, fetch(site, path))
    if opened:
        assert json.loads(lines[1]["text"])["path"] == path
        context = wide.expect(200, "POST", "/e2b/contexts", {}, headers={"E2b-Sandbox-Id": sandbox})["id"]
        assert run(wide, sandbox, fetch(site, "/context"), context_id=context)[1]["type"] == "stdout"
    else:
        assert lines[-1]["type"] == "error" and path not in [r[1] for r in site.requests]
    kill(wide, sandbox)


@pytest.mark.parametrize("wanted, reason", [({"allowOut": ["elsewhere.test"]}, "elsewhere.test"), ({"denyOut": ["site.test"]}, "all or nothing"),
                                            ({"allowOut": ["site.test"], "denyOut": ["0.0.0.0/0"]}, "all or nothing"), ({"allowOut": [5]}, "must not allow"), ([], "must be object")])
def test_a_sandbox_s_own_lists(wide, wanted, reason):
    answer = wide.post("/e2b/v2/sandboxes", {"network": wanted})
    assert answer.status == 400 == answer.json["code"] and reason in answer.json["message"], answer


def test_a_sandbox_where_it_is_closed(client):
    sandbox = create(client, allow_internet_access=True)
    assert get(client, sandbox)["allowInternetAccess"] is False and run(client, sandbox, "1")[-1]["text"] == "1"
    kill(client, sandbox)
    kill(client, create(client, network={"denyOut": ["0.0.0.0/0"]}))
    assert "no network" in client.post("/e2b/sandboxes", {"network": {"allowOut": ["site.test"]}}).json["message"]
