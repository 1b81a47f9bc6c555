"""A service that does what no honest one would: cuts, repeats, leaves out, says nonsense. One thread a connection, no HTTP library."""

import json
import socket
import threading


def head(status=200, **headers):
    lines = [f"HTTP/1.1 {status} X", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def answer(body, status=200, **headers):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return head(status, Content_Length=len(data), **headers) + data


def stream_head(execution="e", **headers):
    return head(Content_Type="text/event-stream", X_Execution_Id=execution, **headers)


class FakeService:
    """`script(request, number)` yields bytes, each sent for itself; then the connection is closed. `request` is (method, path, headers, body)."""

    def __init__(self, script):
        self.script, self.requests, self.failures = script, [], []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.lock = threading.Lock()
        self.accepting = threading.Thread(target=self._accept, daemon=True)
        self.accepting.start()

    def count(self, method, part=""):
        with self.lock:
            return sum(1 for r in self.requests if r[0] == method and part in r[1])

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, connection.makefile("rb") as file:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                request = self._read(file)
                if request is None:
                    return
                with self.lock:
                    self.requests.append(request)
                    number = len(self.requests)
                for part in self.script(request, number):
                    connection.sendall(part)
            except OSError:
                pass  # the client has left
            except Exception as error:
                self.failures.append(error)

    @staticmethod
    def _read(file):
        line = file.readline()
        if not line:
            return None
        method, path, _ = line.decode().split(" ", 2)
        headers = {}
        while (line := file.readline().strip()):
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return method, path, headers, file.read(int(headers.get("content-length", 0)))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.accepting.join()  # an accept that is begun again by the kernel would take from whoever has this descriptor's number next
        self.socket.close()
        assert kind or not self.failures, self.failures
