"""Local mode: a service of this process's own, in the real jail. Nothing is ever run in a bare subprocess."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Dict, Optional

from .errors import SandboxException

PROGRAM = "penny-sandbox"
_STOP_SECONDS = 20
_lock = threading.Lock()
_servers: Dict[str, "LocalServer"] = {}


def find_program(wanted: Optional[str] = None) -> str:
    """`wanted`, $PENNY_SANDBOX, what PATH has, or the one built in the source tree that this file is part of."""
    named = wanted or os.environ.get("PENNY_SANDBOX")
    if named:
        if not os.access(named, os.X_OK):
            raise SandboxException(f"{named} is not a program that can be executed", "NO_PROGRAM")
        return named
    built = Path(__file__).resolve().parents[4] / "build" / PROGRAM if len(Path(__file__).resolve().parents) > 4 else None
    found = shutil.which(PROGRAM) or (str(built) if built is not None and os.access(built, os.X_OK) else None)
    if found is None:
        raise SandboxException("Local mode runs code in the real jail and needs the program penny-sandbox, on PATH or named by PENNY_SANDBOX; "
                               "or give a server_url", "NO_PROGRAM")
    return found


class LocalServer:
    """`penny-sandbox private` as our child. It ends with us, however we end: its standard input is a pipe of ours."""

    def __init__(self, program: str) -> None:
        self.pid = os.getpid()
        try:
            self._process = subprocess.Popen([program, "private"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except OSError as error:
            raise SandboxException(f"{program} can't be started: {error}", "NO_PROGRAM") from error
        assert self._process.stdout is not None and self._process.stderr is not None
        line = self._process.stdout.readline()
        if not line:
            reason = self._process.stderr.read().decode("utf-8", "replace").strip()
            self.stop()
            raise SandboxException(f"The jail could not be started: {reason}", "NO_JAIL")
        place = json.loads(line)
        self.url, self.key = str(place["url"]), str(place["key"])
        self.start_ms = int(place["startMs"])

    @property
    def is_alive(self) -> bool:
        return self.pid == os.getpid() and self._process.poll() is None

    def stop(self) -> None:
        process = self._process
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        if self.pid != os.getpid():
            return
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def local_server(program: Optional[str] = None) -> LocalServer:
    """The one of this process; started when first asked for, and again should it have died."""
    path = find_program(program)
    with _lock:
        server = _servers.get(path)
        if server is None or not server.is_alive:
            if server is not None:
                server.stop()
            server = _servers[path] = LocalServer(path)
        return server


@atexit.register
def stop_all() -> None:
    """Ends what was started here. Done at exit by itself; a later run starts another."""
    with _lock:
        servers = list(_servers.values())
        _servers.clear()
    for server in servers:
        server.stop()
