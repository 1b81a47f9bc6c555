"""HTTPS: with a certificate made for the test."""

import http.client
import json
import shutil
import signal
import socket
import ssl
import subprocess

import pytest

from harness import Client, retry, until

OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="the openssl command is not installed")


def make_certificate(directory, name):
    """A self-signed certificate for localhost. Returns the paths of it and its key."""
    cert, key = directory / "cert.pem", directory / "key.pem"
    subprocess.run([OPENSSL, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert], check=True, capture_output=True)
    key.chmod(0o600)
    return cert, key


class SecureClient(Client):
    def __init__(self, server):
        super().__init__(server.port)
        self.context = ssl.create_default_context(cafile=server.cert)

    def connect(self):
        return http.client.HTTPSConnection(self.host, self.port, timeout=60, context=self.context)

    def socket(self, context=None):
        return (context or self.context).wrap_socket(super().socket(), server_hostname="localhost")


def secure(make_server, *args, **env):
    server = make_server(env=env)
    server.cert, key = make_certificate(server.directory, "first")
    server.args += [f"--tls-cert={server.cert}", f"--tls-key={key}", *args]
    server.launch()
    until(lambda: "is ready at https://127.0.0.1" in server.log(), "the server is ready", 60)
    server.plain, server.client = server.client, SecureClient(server)
    return server


def test_answers_bodies_and_headers(make_server):
    client = secure(make_server).client
    answer = client.post("/api/v1/execute", {"code": "print('x' * 3_000_000)"})
    assert answer.json["output"]["stdout"] == "x" * 3_000_000 + "\n"
    assert answer.headers["strict-transport-security"].startswith("max-age=")
    assert client.execute("#" + "y" * 900_000 + "\n1")["success"], "a body of many records"
    connection = client.connect()
    for n in range(5):
        connection.request("POST", "/api/v1/execute", json.dumps({"code": f"print({n})"}), {"Content-Type": "application/json"})
        assert json.loads(connection.getresponse().read())["output"]["stdout"] == f"{n}\n"
    connection.close()


def test_plain_http_has_no_hsts(client):
    assert "strict-transport-security" not in client.get("/health").headers


def test_a_stream_comes_while_it_is_made(make_server):
    client = secure(make_server).client
    session = client.session()
    stream = client.stream("print('before', flush=True)\ninput()\nprint('after')", session)
    execution = stream.response.getheader("X-Execution-Id")
    events = iter(stream)
    seen = []
    while not seen or seen[-1].type != "inputRequest":
        seen.append(next(events))
    assert any(e.type == "stdout" for e in seen)
    client.expect(202, "POST", f"/api/v1/executions/{execution}/input", {"text": ""})
    rest = [e.type for e in events]
    assert "stdout" in rest and rest[-1] == "complete"


def test_a_slow_reader_of_much_gets_all_of_it(make_server):
    """More than the socket takes: writes that must be tried again with the same bytes."""
    server = secure(make_server)
    raw = server.client.socket()
    body = json.dumps({"code": "print('z' * 9_000_000)"})
    raw.sendall(f"POST /api/v1/execute HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    got, reads = b"", 0
    while True:
        piece = raw.recv(65536)
        if not piece:
            break
        got += piece
        reads += 1
        if reads % 40 == 0:
            assert server.client.get("/ready").status == 200, "others are served meanwhile"
    raw.close()
    assert json.loads(got.split(b"\r\n\r\n", 1)[1])["output"]["stdout"] == "z" * 9_000_000 + "\n"


def test_many_requests_in_one_write(make_server):
    raw = secure(make_server).client.socket()
    raw.sendall(b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200 + b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    got = b""
    while piece := raw.recv(65536):
        got += piece
    assert got.count(b"HTTP/1.1 200 OK") == 201


@pytest.mark.parametrize("version,works", [("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)])
def test_versions(make_server, version, works):
    server = secure(make_server)
    context = ssl.create_default_context(cafile=server.cert)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    try:
        with server.client.socket(context) as raw:
            assert works and raw.version() == version.replace("_", ".")
            assert raw.cipher()[0].endswith(("GCM_SHA256", "GCM_SHA384", "GCM-SHA256", "GCM-SHA384", "POLY1305_SHA256", "POLY1305"))
    except ssl.SSLError:
        assert not works
    assert server.client.get("/ready").status == 200


def test_plain_http_is_told_so(make_server):
    server = secure(make_server)
    answer = server.plain.get("/ready")
    assert answer.status == 400 and answer.json["code"] == "HTTPS_REQUIRED"


@pytest.mark.parametrize("data", [b"", b"\x16\x03\x01", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 40, b"\x80" * 5000, b"\0"])
def test_half_a_handshake_times_out(make_server, data):
    server = secure(make_server, "--head-timeout=500")
    raw = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    raw.sendall(data)
    try:
        while raw.recv(1000):
            pass
    except ConnectionResetError:
        pass
    raw.close()
    assert retry(lambda: server.client.get("/ready")).status == 200  # whose handshake has no more time than that


def test_half_open_handshakes_hold_nobody_up(make_server):
    server = secure(make_server)
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
    assert server.client.get("/ready").status == 200
    for s in silent:
        s.close()


def test_a_new_certificate_on_hangup(make_server):
    server = secure(make_server)

    def name():
        with socket.create_connection(("127.0.0.1", server.port)) as raw, ssl._create_unverified_context().wrap_socket(raw) as wrapped:
            return server.cert.read_bytes(), ssl.DER_cert_to_PEM_cert(wrapped.getpeercert(True)).split()

    def serves_what_is_in_the_file():
        file, served = name()
        return file.decode().split() == served

    assert serves_what_is_in_the_file()
    before = server.client.connect()
    before.request("GET", "/ready")
    before.getresponse().read()
    make_certificate(server.directory, "second")
    assert not serves_what_is_in_the_file()
    server.signal(signal.SIGHUP)
    until(serves_what_is_in_the_file, "the new one is served")
    before.request("GET", "/ready")
    assert before.getresponse().status == 200, "who was there stays"
    before.close()
    server.cert.write_text("no certificate\n")
    server.signal(signal.SIGHUP)
    until(lambda: "the certificate stays as it was" in server.log(), "it is said")
    raw = socket.create_connection(("127.0.0.1", server.port))
    with ssl._create_unverified_context().wrap_socket(raw):
        pass


@pytest.mark.parametrize("which", ["no key", "wrong key", "missing", "not a certificate"])
def test_what_is_wrong_is_no_start(make_server, which):
    server = make_server()
    cert, key = make_certificate(server.directory, "one")
    if which == "wrong key":
        other = server.directory / "other"
        other.mkdir()
        _, key = make_certificate(other, "two")
    if which == "missing":
        cert.unlink()
    if which == "not a certificate":
        cert.write_text("hello\n")
    server.args += [f"--tls-cert={cert}"] + ([] if which == "no key" else [f"--tls-key={key}"])
    server.launch()
    assert server.wait() == 1
    text = {"no key": "one is of no use without the other", "wrong key": "the certificate's key", "missing": "cannot open", "not a certificate": "the certificate:"}
    assert text[which] in server.log(), server.log()


def test_a_client_that_leaves_in_the_middle(make_server):
    server = secure(make_server)
    session = server.client.session()
    for _ in range(20):
        raw = server.client.socket()
        body = json.dumps({"code": "print('q' * 2_000_000)", "sessionId": session})
        raw.sendall(f"POST /api/v1/execute/stream HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        raw.recv(100)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        raw.close()
    assert server.client.stdout("print('still here')", session) == "still here\n"
