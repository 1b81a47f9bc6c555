"""A session's files over HTTP."""

from urllib.parse import quote


class Files:
    """The files of one session."""

    def __init__(self, client, session):
        self.client, self.session = client, session
        self.base = f"/api/v1/sessions/{session}/files"

    def request(self, method, path, body=None, headers=None, query=""):
        if body is not None:
            headers = {"Content-Type": "application/octet-stream", **(headers or {})}
        return self.client.request(method, f"{self.base}/{quote(path)}{query}", body, headers)

    def put(self, path, body=b"", status=None, **kw):
        answer = self.request("PUT", path, body, **kw)
        assert answer.status == status if status else answer.status in (200, 201), answer
        return answer.json

    def get(self, path, status=200, **headers):
        answer = self.request("GET", path, None, {k.replace("_", "-"): v for k, v in headers.items()})
        assert answer.status == status, answer
        return answer

    def read(self, path):
        return self.get(path).body

    def entries(self, path="", depth=1):
        answer = self.client.expect(200, "GET", f"{self.base}?path={quote(path)}&depth={depth}")
        assert answer["path"] == path
        return {e["path"]: e for e in answer["entries"]}

    def run(self, code, **fields):
        return self.client.stdout(code, self.session, **fields)


def assert_error(answer, status, code):
    body = answer.json
    assert (answer.status, body["statusCode"], body["code"]) == (status, status, code), answer
    assert body["message"] and body["error"]


def form(*parts, boundary="XxBoundaryxX"):
    lines = b""
    for name, filename, data in parts:
        lines += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'.encode() + (f'; filename="{filename}"'.encode() if filename is not None else b"")
        lines += b"\r\n\r\n" + data + b"\r\n"
    return lines + f"--{boundary}--\r\n".encode(), {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def post(files, body, headers, query=""):
    return files.client.request("POST", files.base + query, body, headers)
