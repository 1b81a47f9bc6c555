"""The contract: every route is in it and the other way round, every error code too, and the service hands it out."""

import re

import pytest

from harness import ROOT

METHODS = {"get", "put", "post", "delete", "patch"}


@pytest.fixture(scope="module")
def contract(server):
    return server.client.expect(200, "GET", "/openapi.json")


def operations(contract):
    return {(m, path): o for path, item in contract["paths"].items() for m, o in item.items() if m in METHODS}


def routes():
    """{(method, path)} of the server's own table."""
    table = (ROOT / "server/route_table.c").read_text()
    found = re.findall(r'\{HTTP_([A-Z]+), "([^"]+)"', table)
    assert len(found) == len(re.findall(r"^\s*\{HTTP_", table, re.MULTILINE)) > 30
    return {(method.lower(), path.replace("...}", "}")) for method, path in found}


def test_every_route_is_in_the_contract_and_the_other_way_round(contract):
    written = set(operations(contract))
    assert routes() - written == set(), "routes that server/openapi.yaml lacks"
    assert written - routes() == set(), "operations that have no route"


def test_every_operation_is_whole(contract):
    ids = [o.get("operationId") for o in operations(contract).values()]
    assert None not in ids and len(set(ids)) == len(ids), "each has an operationId of its own"
    tags = {tag["name"] for tag in contract["tags"]}
    for (method, path), operation in operations(contract).items():
        where = f"{method} {path}"
        assert operation.get("summary"), where
        assert operation.get("tags") and set(operation["tags"]) <= tags, where
        answers = operation["responses"]
        assert any(status.startswith("2") for status in answers) and "400" in answers and "503" in answers, where
        names = set(re.findall(r"\{(\w+)\}", path))
        parameters = [*contract["paths"][path].get("parameters", []), *operation.get("parameters", [])]
        resolved = [contract["components"]["parameters"][p["$ref"].rsplit("/", 1)[1]] if "$ref" in p else p for p in parameters]
        assert {p["name"] for p in resolved if p["in"] == "path"} == names, where


def test_every_error_code_is_in_the_contract_and_the_other_way_round(contract):
    source = "\n".join(p.read_text() for p in (ROOT / "server").glob("*.c"))
    patterns = (r'\b[45]\d\d, "([A-Z][A-Z_]+)"', r'api_error_(?:busy|unavailable)\(\s*[^,]+,\s*"([A-Z_]+)"', r'"code\\?":\s*\\?"([A-Z_]+)\\?"')
    used = {code for pattern in patterns for code in re.findall(pattern, source)}
    known = set(contract["components"]["schemas"]["Error"]["properties"]["code"]["enum"])
    assert used - known == set(), "codes that server/openapi.yaml lacks"
    quoted = set(re.findall(r'"([A-Z_]+)\\?"', source))
    assert known - quoted == set(), "codes that no source file has"


def test_every_event_type_is_in_the_contract(contract):
    schemas = contract["components"]["schemas"]
    written = set()
    for option in schemas["Event"]["oneOf"]:
        kind = schemas[option["$ref"].rsplit("/", 1)[1]]["properties"]["type"]
        written |= set(kind.get("enum", [kind.get("const")]))
    names = set(re.findall(r'\[EVENT_KIND_\w+\]\s*=\s*"(\w+)"', (ROOT / "server/event.c").read_text()))
    assert names == written


def test_it_is_handed_out_once(client):
    first = client.get("/openapi.json")
    assert first.headers["content-type"] == "application/json; charset=utf-8"
    assert first.json["openapi"].startswith("3.1")
    again = client.get("/openapi.json", headers={"If-None-Match": first.headers["etag"]})
    assert again.status == 304 and again.body == b"" and again.headers["etag"] == first.headers["etag"]
    assert client.get("/openapi.json", headers={"If-None-Match": '"other"'}).status == 200
    assert client.request("HEAD", "/openapi.json").headers["content-length"] == str(len(first.body))


def test_its_version_is_the_service_s(client, contract):
    assert contract["info"]["version"] == client.health()["version"]


def test_the_page_asks_no_other_host(client):
    page = client.get("/docs", headers={"Accept": "text/html"})
    assert page.status == 200 and page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "script-src 'self'" in policy and "'unsafe-eval'" not in policy and "connect-src 'self'" in policy
    assert b"/openapi.json" in page.body
    assert not re.search(rb'(?:src|href)="(?:https?:)?//', page.body)
