"""Kernels: an IPython kernel through jupyter_client, and the same behind jupyter-server."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from pathlib import Path

from harness import free_port, until

import cells
from crowd import kept
from measure import middle, summary, timed
from one_shot import CONFIG, Absent

CODE = cells.CODE
SECONDS = 60


class Output:
    """What one request's messages bring, whatever carries them."""

    def __init__(self, request):
        self.request, self.text, self.has_png, self.is_replied, self.is_idle = request, [], False, False, False

    def take(self, message):
        if message["parent_header"].get("msg_id") != self.request:
            return
        kind, content = message["msg_type"], message["content"]
        if kind == "stream":
            self.text.append(content["text"])
        elif kind == "display_data":
            self.has_png |= "image/png" in content["data"]
        self.is_replied |= kind == "execute_reply"
        self.is_idle |= kind == "status" and content["execution_state"] == "idle"

    def result(self):
        """(text printed, whether there was a PNG)"""
        return "".join(self.text), self.has_png


class Session:
    def run(self, code):
        """Returns (text printed, whether there was a PNG) when the kernel is idle again."""
        self.begin(code)
        return self.finish()


class Kernel(Session):
    """A session of ipykernel, driven by its own client over ZeroMQ on loopback."""

    def __init__(self):
        from jupyter_client.manager import KernelManager

        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=SECONDS)

    def begin(self, code):
        self.output = Output(self.client.execute(code))

    def finish(self):
        while not self.output.is_idle:
            self.output.take(self.client.get_iopub_msg(timeout=SECONDS))
        self.client.get_shell_msg(timeout=SECONDS)
        return self.output.result()

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


class Alternative:
    @classmethod
    def why_absent(cls):
        """Why it can't be measured here; None when it can."""
        return None


class Ipykernel(Alternative):
    name, note = "ipykernel", "a process for each session, no jail, ZeroMQ"

    def __init__(self, workplace):
        pass

    def open(self):
        return Kernel()

    def close(self):
        pass


def _call(method, url, body=None):
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def _answers(url):
    try:
        return _call("GET", url) is not None
    except OSError:
        return False


class ServerKernel(Session):
    """A kernel of jupyter-server: started over HTTP, spoken to over a WebSocket."""

    acknowledges_at_once = False  # no client does by itself

    def __init__(self, port):
        import websocket

        self.url = f"http://127.0.0.1:{port}/api/kernels"
        self.id = _call("POST", self.url, {"name": "python3"})["id"]
        self.socket = websocket.create_connection(f"ws://127.0.0.1:{port}/api/kernels/{self.id}/channels", timeout=SECONDS, sockopt=((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),))

    def begin(self, code):
        request = uuid.uuid4().hex
        header = {"msg_id": request, "msg_type": "execute_request", "username": "", "session": request, "version": "5.3"}
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False, "stop_on_error": True}
        self.socket.send(json.dumps({"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content}))
        self.output = Output(request)

    def finish(self):
        output = self.output
        while not (output.is_replied and output.is_idle):
            if self.acknowledges_at_once:  # holds until the kernel thinks otherwise, so each time
                self.socket.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            output.take(json.loads(self.socket.recv()))
        return output.result()

    def close(self):
        self.socket.close()
        _call("DELETE", f"{self.url}/{self.id}")


class JupyterServer(Alternative):
    name, note = "jupyter-server", "a kernel for each session behind HTTP and WebSocket, no jail"

    def __init__(self, workplace):
        self.port = free_port()
        self.workplace = Path(workplace) / f"jupyter-{self.port}"
        self.workplace.mkdir()
        env = {**os.environ, "HOME": str(self.workplace), "MPLCONFIGDIR": CONFIG, "JUPYTER_DATA_DIR": str(self.workplace / "data"), "OPENBLAS_NUM_THREADS": "1"}
        self._kernelspec()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jupyter_server", "--allow-root", "--no-browser", f"--ServerApp.port={self.port}", "--ServerApp.port_retries=0",
             "--ServerApp.ip=127.0.0.1", "--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True", f"--ServerApp.root_dir={self.workplace}",
             "--ZMQChannelsWebsocketConnection.limit_rate=False"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(self.workplace / "log", "wb"), env=env, cwd=self.workplace)
        until(lambda: self.process.poll() is not None or _answers(f"http://127.0.0.1:{self.port}/api"), "jupyter-server is ready", SECONDS)
        if self.process.poll() is not None:
            raise Absent(f"jupyter-server ends: {(self.workplace / 'log').read_text()[-300:]}")

    def _kernelspec(self):
        place = self.workplace / "data/kernels/python3"
        place.mkdir(parents=True)
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        (place / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "python3", "language": "python"}))

    def open(self):
        return ServerKernel(self.port)

    def close(self):
        self.process.terminate()
        self.process.wait(30)


class E2B(Alternative):
    """What runs inside each of E2B's virtual machines."""

    name, note = "E2B's template server", "FastAPI before jupyter-server"

    @classmethod
    def why_absent(cls):
        return ("in no package of PyPI, npm or Debian: its source is the directory template/server of the repository e2b-dev/code-interpreter, which is published "
                "as the image of a virtual machine only. It forwards each request to a jupyter-server, so that one's figures are a lower bound for it")


# ---- the same cells for each ----

def _answer(session, cell, code=CODE):
    took, (text, png) = timed(session.run, code[cell])
    cells.check(cell, text, png)
    return took


def _fresh(kind, cell):
    start = time.perf_counter()
    session = kind.open()
    try:
        _answer(session, cell, cells.FRESH)
        return (time.perf_counter() - start) * 1e6
    finally:
        session.close()


def _kept(session, rounds):
    session.run(cells.KEPT_SETUP)
    for cell in rounds:
        _answer(session, cell)
    return {cell: summary(_answer(session, cell) for _ in range(n)) for cell, n in rounds.items()}


def _lines(session):
    took, (text, _) = timed(session.run, cells.MANY_LINES)
    assert text.count("\n") == cells.LINES, f"{text.count(chr(10))} lines"
    return cells.LINES / took * 1e6


def _increments_acknowledged(session, rounds):
    """`x += 1` where TCP makes nothing wait; None where there is no TCP of a client's own."""
    if not hasattr(session, "acknowledges_at_once"):
        return None
    session.acknowledges_at_once = True
    figure = summary(_answer(session, cells.INCREMENT) for _ in range(rounds))
    session.acknowledges_at_once = False
    return figure


def _one(kind, scale):
    """What one kept session does."""
    session = kind.open()
    try:
        kept = _kept(session, {cells.PRINT: scale(200), cells.INCREMENT: scale(200), cells.DESCRIBE: scale(50), cells.PLOT: scale(10)})
        return {"kept": kept, "acknowledged": _increments_acknowledged(session, scale(200)), "lines_per_second": middle([_lines(session) for _ in range(3)])}
    finally:
        session.close()


def measure(kind_class, workplace, scale, steps):
    kind = kind_class(workplace)
    try:
        rounds = {cells.PRINT: 5, cells.INCREMENT: 5, cells.DESCRIBE: 3, cells.PLOT: 3}
        fresh = {cell: summary(_fresh(kind, cell) for _ in range(scale(n))) for cell, n in rounds.items()}
        crowd = kept(kind.open, steps, scale(96))
        return {"name": kind.name, "note": kind.note, "fresh": fresh, "crowd": crowd, "memory_bytes": crowd[-1]["bytes_each"], **_one(kind, scale)}
    finally:
        kind.close()


KINDS = {"ipykernel": Ipykernel, "jupyter_server": JupyterServer, "e2b": E2B}
