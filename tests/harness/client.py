"""A plain HTTP client of the API: one connection a request, no retries, no cleverness."""

import http.client
import json
import socket

from .sse import Stream
from .wait import PATIENCE

SECONDS = 60 * PATIENCE  # more than any answer takes; a hang ends as a failure with a name


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, {k.lower(): v for k, v in headers}, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class Client:
    def __init__(self, port, host="127.0.0.1"):
        self.host, self.port = host, port

    def connect(self):
        return http.client.HTTPConnection(self.host, self.port, timeout=SECONDS)

    def socket(self):
        """A raw connection, for what no client should do."""
        s = socket.create_connection((self.host, self.port), timeout=SECONDS)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def _send(self, connection, method, path, body, headers):
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if body is not None and not any(k.lower() == "content-type" for k in headers):
            headers["Content-Type"] = "application/json"
        connection.request(method, path, body.encode() if isinstance(body, str) else body, headers)
        return connection.getresponse()

    def request(self, method, path, body=None, headers=None):
        connection = self.connect()
        try:
            response = self._send(connection, method, path, body, headers)
            return Response(response.status, response.getheaders(), response.read())
        finally:
            connection.close()

    def get(self, path, **kw):
        return self.request("GET", path, **kw)

    def post(self, path, body=None, **kw):
        return self.request("POST", path, body, **kw)

    def delete(self, path, **kw):
        return self.request("DELETE", path, **kw)

    def open_stream(self, method, path, body=None, headers=None):
        connection = self.connect()
        response = self._send(connection, method, path, body, {"Accept": "text/event-stream", **(headers or {})})
        return Stream(connection, response)

    # -- the API in one call each; a status that is not the expected one fails here, with the body --

    def expect(self, status, method, path, body=None, **kw):
        answer = self.request(method, path, body, **kw)
        assert answer.status == status, f"{method} {path}: {answer}"
        return answer.json

    def session(self, **fields):
        """Creates a session. Returns its id."""
        return self.expect(201, "POST", "/api/v1/sessions", fields)["id"]

    def delete_session(self, session):
        return self.expect(200, "DELETE", f"/api/v1/sessions/{session}")

    def execute(self, code, session=None, **fields):
        """Runs code to its end. Returns the ExecutionResult."""
        if session is not None:
            fields["sessionId"] = session
        return self.expect(200, "POST", "/api/v1/execute", {"code": code, **fields})

    def stdout(self, code, session=None, **fields):
        """What code that must succeed prints."""
        result = self.execute(code, session, **fields)
        assert result["success"], result
        return result["output"]["stdout"]

    def stream(self, code, session=None, headers=None, **fields):
        if session is not None:
            fields["sessionId"] = session
        stream = self.open_stream("POST", "/api/v1/execute/stream", {"code": code, **fields}, headers)
        assert stream.status == 200, (stream.status, stream.response.read(2000))
        return stream

    def start(self, code, session=None, **fields):
        """Starts code in the background. Returns the execution's id."""
        if session is not None:
            fields["sessionId"] = session
        return self.expect(202, "POST", "/api/v1/executions", {"code": code, **fields})["executionId"]

    def execution(self, execution):
        return self.expect(200, "GET", f"/api/v1/executions/{execution}")

    def events(self, execution, after=None, last_event_id=None):
        path = f"/api/v1/executions/{execution}/events" + (f"?after={after}" if after is not None else "")
        stream = self.open_stream("GET", path, None, {"Last-Event-ID": last_event_id} if last_event_id else None)
        assert stream.status == 200, (stream.status, stream.response.read(2000))
        return stream

    def health(self):
        return self.expect(200, "GET", "/health")
