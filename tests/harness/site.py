"""What programs in sessions reach in the tests of the network: on loopback, under names that the policy gives."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site:
    """An HTTP server that remembers what it was asked, and an echo of raw bytes."""

    def __init__(self):
        self.requests, self.echoed, site = [], [], self
        self.gate = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                site.requests.append((self.command, self.path, dict(self.headers.items())))
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length)
                size = int(self.path.rpartition("/")[2]) if self.path.startswith("/bytes/") else None
                if self.path == "/hold":
                    site.gate.wait(30)
                data = b"x" * size if size is not None else json.dumps({"path": self.path, "sent": len(body)}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.echo = socket.create_server(("127.0.0.1", 0))
        self.echo_port = self.echo.getsockname()[1]
        self.echoing = threading.Thread(target=self._echo, daemon=True)
        self.echoing.start()

    def _echo(self):
        while True:
            try:
                peer, _ = self.echo.accept()
            except OSError:
                return
            data = peer.recv(100)
            self.echoed.append(data)
            peer.sendall(b"echo " + data)
            peer.close()

    def close(self):
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()
        self.echo.shutdown(socket.SHUT_RDWR)
        self.echoing.join()
        self.echo.close()


def network(site, **changes):
    return {"enabled": True, "allowedDomains": ["site.test", f"echo.test:{site.echo_port}", "*.sub.test", "inner.test", "meta.test", "mapped.test", "127.0.0.1", "nowhere.test",
                                                "silent.test"],
            "allowedPorts": [site.port], "allowedAddresses": ["127.0.0.1"], "maxDownloadSize": 300_000, "maxUploadSize": 50_000, "maxConnections": 3, "timeout": 20_000,
            "hosts": {"site.test": "127.0.0.1", "echo.test": "127.0.0.1", "deep.sub.test": "127.0.0.1", "sub.test": "127.0.0.1", "inner.test": "127.0.0.2", "meta.test": "169.254.169.254",
                      "mapped.test": "::ffff:10.0.0.1", "other.test": "127.0.0.1", "silent.test": "127.0.0.1"}, **changes}
