"""allowNetworking: what an execution may reach where the operator has opened the network, and that it reaches nothing else. Loopback only: the
policy gives the test's hosts their addresses, and allows the one that the test's site is on."""

import json
import re
import socket

import pytest

from harness import TIERS, tier_reason, until, write_policies
from harness.lines import json_lines
from harness.site import Site, network


@pytest.fixture(scope="module")
def site():
    site = Site()
    yield site
    site.close()


def options(site, directory, profile="open", **changes):
    return {"env": {"SANDBOX_POLICY_DIR": write_policies(directory, resources={"network": network(site, **changes)}), "SANDBOX_PROFILE": profile}}


@pytest.fixture(scope="module")
def server(workplace, site, tmp_path_factory):
    from conftest import _server

    place = tmp_path_factory.mktemp("network")
    audit = place / "audit.log"
    made = options(site, place)
    made["env"]["SANDBOX_AUDIT_LOG"] = str(audit)
    with _server(workplace, **made) as server:
        if not server.client.health()["isolation"].get("network", {}).get("active"):
            pytest.skip(f"no way out here: {server.client.health()['isolation'].get('network')}")
        server.audit_path = audit
        yield server


@pytest.fixture
def client(server):
    return server.client


def fetch(client, url, session=None, **fields):
    """What urllib in a session that may use the network makes of a URL: the body, or the error."""
    return client.stdout(f"import urllib.request, urllib.error\ntry: print(urllib.request.urlopen({url!r}, timeout=20).read().decode()[:200], end='')\n"
                         f"except urllib.error.HTTPError as e: print(e.code, e.read().decode(), end='')\nexcept OSError as e: print(e, end='')", session,
                         **{"allowNetworking": True, **fields})


RAW = """
import os, re, socket
def proxy():
    return re.fullmatch(r"http://penny:([0-9a-f]+)@127.0.0.1:(\\d+)", os.environ["http_proxy"]).groups()
def talk(data, wait=True, port=None):
    s = socket.create_connection(("127.0.0.1", port or int(proxy()[1]) if "http_proxy" in os.environ else 3128), timeout=20)
    s.sendall(data)
    out = b""
    while wait:
        more = s.recv(65536)
        if not more: break
        out += more
    return out
def credentials(token):
    import base64
    return b"Proxy-Authorization: Basic " + base64.b64encode(b"penny:" + token.encode()) + b"\\r\\n"
"""


def raw(client, code, session=None, **fields):
    return client.stdout(RAW + code, session, **{"allowNetworking": True, **fields})


# ---- what is reached ----

def test_a_host_on_the_list_is_reached(client, site):
    assert json.loads(fetch(client, f"http://site.test:{site.port}/a?b=1")) == {"path": "/a?b=1", "sent": 0}
    _, path, headers = site.requests[-1]
    assert headers["Host"] == f"site.test:{site.port}" and headers["Connection"] == "close"
    assert not [name for name in headers if name.lower().startswith("proxy")], "the token stays with the proxy"
    assert json.loads(fetch(client, f"http://deep.sub.test:{site.port}/"))["path"] == "/"


def test_requests_finds_its_way_too(client, site):
    code = f"import requests; r = requests.post('http://site.test:{site.port}/p', data=b'x' * 1000, timeout=20); print(r.status_code, r.json()['sent'])"
    assert client.stdout(code, allowNetworking=True) == "200 1000\n"


def test_connect(client, site):
    code = f"""
s = socket.create_connection(("127.0.0.1", int(proxy()[1])), timeout=20)
s.sendall(b"CONNECT echo.test:{site.echo_port} HTTP/1.1\\r\\nHost: x\\r\\n" + credentials(proxy()[0]) + b"\\r\\n")
head = b""
while not head.endswith(b"\\r\\n\\r\\n"): head += s.recv(1)
s.sendall(b"hello")
print(head.split()[1].decode(), s.recv(100).decode())
"""
    assert raw(client, code) == "200 echo hello\n" and site.echoed[-1] == b"hello"


def test_in_the_standard_profile_the_modules_for_it_are_allowed_for_that_run(make_server, site, tmp_path):
    server = make_server(**{**options(site, tmp_path, "standard")}).start()
    session = server.client.session()
    program = f"import urllib.request\nprint(urllib.request.urlopen('http://site.test:{site.port}/', timeout=20).status)"
    assert server.client.execute(program, session)["status"] == "rejected"
    assert server.client.stdout(program, session, allowNetworking=True) == "200\n"
    assert server.client.execute("import requests", session)["status"] == "rejected"
    assert server.client.execute("import os", session, allowNetworking=True)["status"] == "rejected"


# ---- what is not ----

def test_without_allow_networking_nothing_is_reached(client, site):
    session, before = client.session(), len(site.requests)
    assert client.stdout("import os; print([n for n in os.environ if 'proxy' in n.lower()])", session) == "[]\n"
    assert "Errno" in fetch(client, f"http://site.test:{site.port}/", session, allowNetworking=False)
    answer = raw(client, f"print(talk(b'GET http://site.test:{site.port}/ HTTP/1.1\\r\\n\\r\\n')[:12].decode())", session, allowNetworking=False)
    assert answer == "HTTP/1.1 407\n" and len(site.requests) == before


def test_a_token_is_worth_nothing_after_its_run(client, site):
    session, before = client.session(), len(site.requests)
    token = raw(client, "print(proxy()[0])", session).strip()
    assert re.fullmatch(r"[0-9a-f]{32}", token)
    code = f"print(talk(b'GET http://site.test:{site.port}/ HTTP/1.1\\r\\n' + credentials({token!r}) + b'\\r\\n')[:12].decode())"
    assert raw(client, code, session, allowNetworking=False) == "HTTP/1.1 407\n"
    assert raw(client, code, session) == "HTTP/1.1 407\n"  # another run's token is another one
    assert len(site.requests) == before


@pytest.mark.parametrize("url", ["http://other.test:{port}/", "http://site.test.evil.test:{port}/", "http://sub.test:{port}/", "http://site.test:1/", "http://echo.test:{port}/",
                                 "http://localhost:{port}/", "http://0x7f000001:{port}/", "http://2130706433:{port}/", "http://[::1]:{port}/", "http://xsite.test:{port}/"])
def test_what_is_not_on_the_list_is_refused(client, site, url):
    before = len(site.requests)
    assert fetch(client, url.format(port=site.port)).startswith("403 the policy does not allow"), url
    assert len(site.requests) == before


@pytest.mark.parametrize("host", ["inner.test", "meta.test", "mapped.test"])
def test_an_allowed_name_does_not_open_an_inner_address(client, site, host):
    assert fetch(client, f"http://{host}:{site.port}/").startswith("403 this host's address")


def test_an_allowed_address_is_written_as_it_is(client, site):
    assert json.loads(fetch(client, f"http://127.0.0.1:{site.port}/"))["path"] == "/"


def test_a_name_without_an_address(client, site):
    assert fetch(client, f"http://nowhere.test:{site.port}/").startswith("50")


@pytest.mark.parametrize("request_", [
    b"GET / HTTP/1.1\r\n\r\n", b"GET http://site.test/\r\n\r\n", b"CONNECT site.test HTTP/1.1\r\n\r\n", b"CONNECT site.test:0 HTTP/1.1\r\n\r\n", b"CONNECT site.test:99999 HTTP/1.1\r\n\r\n",
    b"GET ftp://site.test/ HTTP/1.1\r\n\r\n", b"GET http://a@site.test/ HTTP/1.1\r\n\r\n", b"GET http://site.test/ HTTP/1.1\r\nA\x00: b\r\n\r\n", b"GET http://site.test/ HTTP/1.1\r\n folded: x\r\n\r\n",
    b"GET http://site.test/ HTTP/1.1\nHost: x\r\n\r\n", b"\x16\x03\x01\x00\r\n\r\n", b"A" * 20000])
def test_what_is_no_request_to_a_proxy_is_refused(client, request_):
    assert raw(client, f"print(talk({request_!r})[:12].decode())") == "HTTP/1.1 400\n"


def test_the_other_requests_of_a_connection_go_where_the_first_went_and_no_header_hides(client, site):
    code = (f"print(talk(b'GET http://site.test:{site.port}/one HTTP/1.1\\r\\nHost: evil.test\\r\\nConnection: keep-alive\\r\\nX-A: b\\r\\n' + credentials(proxy()[0]) + b'\\r\\n')"
            ".split(b'\\r\\n\\r\\n', 1)[1].decode())")
    assert json.loads(raw(client, code))["path"] == "/one"
    headers = site.requests[-1][2]
    assert headers["Host"] == f"site.test:{site.port}" and headers["X-A"] == "b" and "Proxy-Authorization" not in headers


# ---- limits ----

def test_too_many_bytes(client, site):
    session = client.session()
    got = client.stdout(f"import urllib.request\nn = 0\ntry:\n    r = urllib.request.urlopen('http://site.test:{site.port}/bytes/2000000', timeout=20)\n"
                        "    while True:\n        more = r.read(10000)\n        if not more: break\n        n += len(more)\nexcept Exception as e: pass\nprint(n)", session, allowNetworking=True)
    assert 0 < int(got) <= 300_000
    again = f"import urllib.request as u\nfor _ in range(2):\n    try: print(len(u.urlopen('http://site.test:{site.port}/bytes/200000', timeout=20).read()))\n    except Exception as e: print('cut')"
    assert client.stdout(again, session, allowNetworking=True) == "200000\ncut\n"  # counted over the run, anew for each
    up = f"import urllib.request as u\ntry: print(u.urlopen('http://site.test:{site.port}/', data=b'x' * 60000, timeout=20).status)\nexcept Exception as e: print('cut')"
    assert client.stdout(up, session, allowNetworking=True) == "cut\n"


def test_too_many_connections(client, site):
    code = f"""
import socket
open_ones = []
for i in range(4):
    s = socket.create_connection(("127.0.0.1", int(proxy()[1])), timeout=20)
    s.sendall(b"CONNECT site.test:{site.port} HTTP/1.1\\r\\n" + credentials(proxy()[0]) + b"\\r\\n")
    open_ones.append(s)
    print(s.recv(12).decode()[-3:])
"""
    assert raw(client, code) == "200\n200\n200\n429\n"


def test_a_host_that_says_nothing(make_server, site, tmp_path):
    server = make_server(**options(site, tmp_path, timeout=1000)).start()
    if not server.client.health()["isolation"]["network"]["active"]:
        pytest.skip("no way out here")
    assert fetch(server.client, f"http://site.test:{site.port}/hold") in ("Remote end closed connection without response", "[Errno 104] Connection reset by peer")
    site.gate.set()


# ---- apart from each other ----

def test_sessions_do_not_reach_each_other(client):
    listener, other = client.session(), client.session()
    listen = """
import socket
outcomes = []
def attempt(make):
    try:
        make()
        outcomes.append("done")
    except OSError: outcomes.append("refused")
def bound(): s = socket.socket(); s.bind(("127.0.0.1", 4000))
def datagram(): socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
def six(): socket.socket(socket.AF_INET6)
def raw_one(): socket.socket(socket.AF_INET, socket.SOCK_RAW, 6)
def flagged(): socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
def link(): socket.socket(16, socket.SOCK_RAW)
for make in (bound, datagram, six, raw_one, flagged, link): attempt(make)
print(outcomes)
free = socket.socket()
free.listen()
print(free.getsockname()[1])
"""
    refusals, port = client.stdout(listen, listener, allowNetworking=True).splitlines()
    assert refusals == str(["refused"] * 6)
    connect = f"""
import socket
def attempt(make):
    try:
        make()
        print("done")
    except OSError: print("refused")
def plain(): socket.create_connection(("127.0.0.1", {port}), timeout=5)
def fast():
    s = socket.socket()
    s.sendto(b"x", socket.MSG_FASTOPEN, ("127.0.0.1", {port}))
attempt(plain)
attempt(fast)
"""
    assert client.stdout(connect, other, allowNetworking=True) == "refused\nrefused\n"


def test_the_hosts_loopback_is_another(client, site, server):
    code = f"""
import socket
for port in ({site.port}, {server.port}, 22, 80):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5)
        print("reached", port)
    except OSError: pass
print("end")
"""
    assert client.stdout(code, allowNetworking=True) == "end\n"


# ---- what is told ----

def test_connections_are_counted_and_noted(client, site, server):
    def value(labels, name="penny_network_connections_total"):
        return float(re.search(rf"^{name}\{{{labels}\}} (\d+)", client.get("/metrics").body.decode(), re.MULTILINE)[1])

    done, denied = value('outcome="done"'), value('outcome="host_not_allowed"')
    policy, received = value('policy="network"', "penny_policy_denials_total"), value('direction="received"', "penny_network_bytes_total")
    session = client.session()
    fetch(client, f"http://site.test:{site.port}/noted", session)
    fetch(client, f"http://other.test:{site.port}/", session)
    until(lambda: value('outcome="done"') > done and value('outcome="host_not_allowed"') > denied, "both are counted")  # an earlier test's may be, too
    assert value('policy="network"', "penny_policy_denials_total") > policy
    assert value('direction="received"', "penny_network_bytes_total") > received

    def lines():
        return [line for line in json_lines(server.audit_path) if line["action"] == "network.connection" and line["sessionId"] == session]

    until(lambda: len(lines()) == 2, "both are in the log")
    assert {(line["host"], line["port"], line["outcome"]) for line in lines()} == {("site.test", site.port, "done"), ("other.test", site.port, "host_not_allowed")}
    assert next(line for line in lines() if line["outcome"] == "done")["received"] > 0


def test_the_proxy_is_nobody_and_comes_back(client, site, server):
    pid = until(lambda: server.process_named("--as-egress-process"), "the proxy is seen")

    def status():
        return dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status").read().splitlines() if ":\t" in line)

    until(lambda: status()["Seccomp"] == "2", "it has locked itself in")  # its last act before it serves
    assert status()["CapEff"] == "0000000000000000" and status()["NoNewPrivs"] == "1" and status()["Uid"].split()[0] != "0"
    import os
    os.kill(pid, 9)
    session = client.session()
    until(lambda: fetch(client, f"http://site.test:{site.port}/", session).startswith("{"), "the way out is open again")


def test_it_says_whether_there_is_a_way(client):
    assert "3128" in client.health()["isolation"]["network"]["detail"]


# ---- where it is not allowed ----

def test_off_by_default(make_server):
    server = make_server().start()
    answer = server.client.expect(403, "POST", "/api/v1/execute", {"code": "print(1)", "allowNetworking": True})
    assert answer["code"] == "NETWORK_DISABLED"
    assert server.client.stdout("print(1)", allowNetworking=False) == "1\n"
    assert server.process_named("--as-egress-process") is None
    assert "network" not in server.client.health()["isolation"]


def test_only_for_the_keys_that_may(make_server, site, tmp_path):
    made = options(site, tmp_path, allowedKeys=["alice"])
    made["env"]["SANDBOX_API_KEYS"] = "alice:" + "a" * 20 + ",bob:" + "b" * 20
    server = make_server(**made).start()
    body = {"code": "print(1)", "allowNetworking": True}
    codes = [server.client.post("/api/v1/execute", body, headers={"Authorization": f"Bearer {c * 20}"}).json.get("code") for c in "ab"]
    assert codes[1] == "NETWORK_NOT_ALLOWED" and codes[0] in (None, "NETWORK_UNAVAILABLE")


@pytest.mark.parametrize("tier", TIERS)
def test_in_every_tier_it_works_or_says_why_not(make_server, site, workplace, tier):
    reason = tier_reason(tier)
    if reason:
        pytest.skip(f"tier {tier}: {reason}")
    place = workplace / f"network-{tier}"
    place.mkdir()
    server = make_server(tier=tier, **options(site, place)).start()
    way = server.client.health()["isolation"]["network"]
    if way["active"]:
        assert json.loads(fetch(server.client, f"http://site.test:{site.port}/tier"))["path"] == "/tier"
    else:
        answer = server.client.expect(403, "POST", "/api/v1/execute", {"code": "print(1)", "allowNetworking": True})
        assert answer["code"] == "NETWORK_UNAVAILABLE" and way["reason"] in answer["message"]
    assert tier != "process" or not way["active"]


@pytest.mark.parametrize("section", [{"enabled": "yes"}, {"allowedDomains": ["a b"]}, {"allowedDomains": ["a.*.b"]}, {"allowedPorts": [0]}, {"allowedPorts": ["80"]},
                                     {"allowedAddresses": ["10.0.0.0/40"]}, {"hosts": {"a": "b"}}, {"maxConnections": -1}])
def test_a_wrong_section_stops_the_start(make_server, tmp_path, section):
    from harness import ServerFailed

    server = make_server(env={"SANDBOX_POLICY_DIR": write_policies(tmp_path, resources={"network": section})})
    with pytest.raises(ServerFailed, match=r"resources\.json:\d+: network"):
        server.start()




def test_a_host_that_does_not_take_connections_in_time(make_server, site, tmp_path):
    """Its queue is full and nobody accepts: the proxy gives up, and what comes late is nobody's any more."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for s in waiting:
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", port))
        server = make_server(**options(site, tmp_path, allowedDomains=[f"silent.test:{port}", "site.test"], timeout=700)).start()
        if not server.client.health()["isolation"]["network"]["active"]:
            pytest.skip("no way out here")
        session = server.client.session()
        assert fetch(server.client, f"http://silent.test:{port}/", session).startswith("504")
        for s in waiting:
            s.close()
    assert fetch(server.client, f"http://site.test:{site.port}/", session).startswith("{")
    until(lambda: server.process_named("--as-egress-process"), "the proxy is seen")
