"""Kernels: an IPython kernel through jupyter_client, and the same behind jupyter-server."""

import json
import os
import subprocess
import sys
import time
import urllib.request
import uuid
from pathlib import Path

from harness import free_port, until

import cells
from measure import memory_bytes, summary, timed
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


class Kernel:
    """A session of ipykernel, driven by its own client over ZeroMQ on loopback."""

    def __init__(self):
        from jupyter_client.manager import KernelManager

        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=SECONDS)

    def run(self, code):
        """Returns (text printed, whether there was a PNG) when the kernel is idle again."""
        output = Output(self.client.execute(code))
        while not output.is_idle:
            output.take(self.client.get_iopub_msg(timeout=SECONDS))
        self.client.get_shell_msg(timeout=SECONDS)
        return output.result()

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


class ServerKernel:
    """A kernel of jupyter-server: started over HTTP, spoken to over a WebSocket."""

    def __init__(self, port):
        import websocket

        self.url = f"http://127.0.0.1:{port}/api/kernels"
        self.id = _call("POST", self.url, {"name": "python3"})["id"]
        self.socket = websocket.create_connection(f"ws://127.0.0.1:{port}/api/kernels/{self.id}/channels", timeout=SECONDS, sockopt=((6, 1, 1),))

    def run(self, code):
        request = uuid.uuid4().hex
        header = {"msg_id": request, "msg_type": "execute_request", "username": "", "session": request, "version": "5.3"}
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False, "stop_on_error": True}
        self.socket.send(json.dumps({"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content}))
        output = Output(request)
        while not (output.is_replied and output.is_idle):
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

def _answer(session, cell):
    took, (text, png) = timed(session.run, CODE[cell])
    cells.check(cell, text, png)
    return took


def _fresh(kind, cell):
    start = time.perf_counter()
    session = kind.open()
    try:
        _answer(session, cell)
        return (time.perf_counter() - start) * 1e6
    finally:
        session.close()


def _kept(session, rounds):
    session.run(cells.KEPT_SETUP)
    for cell in rounds:
        _answer(session, cell)
    return {cell: summary(_answer(session, cell) for _ in range(n)) for cell, n in rounds.items()}


def _memory(kind, count):
    before = memory_bytes()
    sessions = [kind.open() for _ in range(count)]
    try:
        for session in sessions:
            session.run(cells.KEPT_SETUP)
        return (memory_bytes() - before) / count
    finally:
        for session in sessions:
            session.close()


def _lines(session):
    took, (text, _) = timed(session.run, cells.MANY_LINES)
    assert text.count("\n") == cells.LINES, f"{text.count(chr(10))} lines"
    return cells.LINES / took * 1e6


def measure(kind_class, workplace, scale):
    kind = kind_class(workplace)
    try:
        fresh = {cell: summary(_fresh(kind, cell) for _ in range(scale(n))) for cell, n in ((cells.PRINT, 5), (cells.DESCRIBE, 3), (cells.PLOT, 3))}
        memory = _memory(kind, 3)
        session = kind.open()
        try:
            kept = _kept(session, {cells.PRINT: scale(200), cells.INCREMENT: scale(200), cells.DESCRIBE: scale(50), cells.PLOT: scale(10)})
            lines = _lines(session)
        finally:
            session.close()
        return {"name": kind.name, "note": kind.note, "fresh": fresh, "kept": kept, "memory_bytes": memory, "lines_per_second": lines}
    finally:
        kind.close()


KINDS = {"ipykernel": Ipykernel, "jupyter_server": JupyterServer, "e2b": E2B}
