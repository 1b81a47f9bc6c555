"""A package index (PEP 503) on the loopback, with wheels that the test makes, and with answers that no index should give."""

import base64
import hashlib
import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def wheel(name, version, files=None, requires=(), record=None):
    """The bytes of a wheel. files: {path: text or bytes}; without them it is one module that knows its version."""
    module = name.replace("-", "_")
    files = files if files is not None else {f"{module}/__init__.py": f"version = {version!r}\n"}
    info = f"{module}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: A test\n" + "".join(f"Requires-Dist: {r}\n" for r in requires)
    files = {**files, f"{info}/METADATA": metadata, f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    lines = []
    for path, content in files.items():
        content = content.encode() if isinstance(content, str) else content
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(content)}")
    files[f"{info}/RECORD"] = record if record is not None else "\n".join([*lines, f"{info}/RECORD,,"]) + "\n"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return out.getvalue()


class Index:
    """add() wheels, then give .url to pip. `requests` is what was asked for; hold() makes an answer wait until release()."""

    def __init__(self):
        self.files, self.hashes, self.requests, self.held, self.gate = {}, {}, [], set(), threading.Event()
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                index._answer(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}/simple/"

    @property
    def env(self):
        return {"PIP_INDEX_URL": self.url, "PIP_TRUSTED_HOST": "127.0.0.1", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": "/dev/null"}

    def add(self, name, version, data=None, digest=None, file=None, **options):
        data = data if data is not None else wheel(name, version, **options)
        file = file or f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
        self.files.setdefault(name, {})[file] = data
        self.hashes[file] = digest or hashlib.sha256(data).hexdigest()

    def hold(self, path):
        self.held.add(path)

    def release(self):
        self.gate.set()

    def asked(self, text):
        return [path for path in self.requests if text in path]

    def _answer(self, handler):
        self.requests.append(handler.path)
        if any(path in handler.path for path in self.held):
            self.gate.wait(60)
        parts = handler.path.strip("/").split("/")
        if parts[0] == "simple" and len(parts) == 2 and parts[1] in self.files:
            links = "".join(f'<a href="/files/{parts[1]}/{f}#sha256={self.hashes[f]}">{f}</a>\n' for f in self.files[parts[1]])
            return self._send(handler, "text/html", f"<!DOCTYPE html><html><body>{links}</body></html>".encode())
        if parts[0] == "files" and parts[-1] in self.files.get(parts[1], {}):
            return self._send(handler, "application/octet-stream", self.files[parts[1]][parts[-1]])
        return handler.send_error(404)

    def _send(self, handler, kind, data):
        try:
            handler.send_response(200)
            handler.send_header("Content-Type", kind)
            handler.send_header("Content-Length", str(len(data)))
            handler.end_headers()
            handler.wfile.write(data)
        except OSError:
            pass  # a client that was ended meanwhile

    def close(self):
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()
