"""Connections that block: sockets, kept between requests, one user at a time each."""

from __future__ import annotations

import os
import select
import socket
import ssl
import threading
import time
from typing import Any, List, Optional, Tuple, TypeVar

from .effects import Close, Effect, Exchange, Flow, Open, Read, Sleep
from .errors import RequestTimeoutError, SandboxConnectionError
from .http1 import Origin, Request, Response, ResponseReader

T = TypeVar("T")
IDLE_SECONDS = 20.0  # less than any server's own patience with an idle connection
IDLE_MAX = 8
READ_BYTES = 256 * 1024


class Channel:
    """The answer that is being read from a connection, whichever kind that is."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.idle_since = 0.0
        self.reader = ResponseReader()
        self.timeout: Optional[float] = None

    @property
    def head(self) -> Response:
        assert self.reader.head is not None
        return self.reader.head

    def _begin(self, request: Request) -> bytes:
        """What is to be written for it."""
        self.reader = ResponseReader(request.method)
        self.timeout = request.timeout
        return request.encode(self.origin)

    def _feed(self, data: bytes) -> None:
        if data:
            self.reader.feed(data)
        elif not self.reader.eof():
            raise SandboxConnectionError("The connection was closed before the answer was whole", True)


class Connection(Channel):
    """One socket."""

    def __init__(self, origin: Origin, sock: socket.socket) -> None:
        super().__init__(origin)
        self.sock = sock

    def is_usable(self) -> bool:
        """Nothing has come on it while it was idle: neither the end nor bytes that nobody asked for."""
        if time.monotonic() - self.idle_since > IDLE_SECONDS:
            return False
        try:
            return not select.select([self.sock], [], [], 0)[0]
        except (OSError, ValueError):
            return False

    def send(self, request: Request) -> None:
        data = self._begin(request)
        self.sock.settimeout(request.timeout)
        try:
            self.sock.sendall(data)
        except OSError as error:
            raise self._lost(error) from error
        while self.reader.head is None:
            self._fill()

    def _fill(self) -> None:
        try:
            data = self.sock.recv(READ_BYTES)
        except OSError as error:
            raise self._lost(error) from error
        self._feed(data)

    def _lost(self, error: OSError) -> Exception:
        if isinstance(error, socket.timeout):
            return RequestTimeoutError(self.timeout or 0)
        return SandboxConnectionError(f"The connection was lost: {error}", True)

    def read(self) -> bytes:
        while True:
            data = self.reader.take()
            if data or self.reader.complete:
                return data
            self._fill()

    def close(self) -> None:
        self.sock.close()


class SyncDriver:
    """Performs effects. Threads may share it."""

    def __init__(self, origin: Origin, verify: bool = True) -> None:
        self.origin = origin
        self._tls: Optional[ssl.SSLContext] = tls_context(verify) if origin.scheme == "https" else None
        self._idle: List[Connection] = []
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def run(self, flow: Flow[T]) -> T:
        outcome: Any = None
        error: Optional[BaseException] = None
        while True:
            try:
                effect = flow.send(outcome) if error is None else flow.throw(error)
            except StopIteration as stop:
                result: T = stop.value
                return result
            try:
                outcome, error = self._perform(effect), None
            except BaseException as raised:
                outcome, error = None, raised

    def _perform(self, effect: Effect) -> Any:
        if isinstance(effect, Exchange):
            return self._exchange(effect.request)
        if isinstance(effect, Open):
            return self._open(effect.request)
        if isinstance(effect, Read):
            return effect.handle.read()
        if isinstance(effect, Close):
            return self._release(effect.handle)
        assert isinstance(effect, Sleep)
        return time.sleep(effect.seconds)

    def _open(self, request: Request) -> Connection:
        connection = self._take(request.timeout)
        try:
            connection.send(request)
        except BaseException:
            connection.close()
            raise
        return connection

    def _exchange(self, request: Request) -> Response:
        connection = self._open(request)
        try:
            parts = []
            while True:
                data = connection.read()
                if not data:
                    break
                parts.append(data)
            head = connection.head
            return Response(head.status, head.headers, b"".join(parts))
        finally:
            self._release(connection)

    def _take(self, timeout: Optional[float]) -> Connection:
        with self._lock:
            if self._pid != os.getpid():  # a fork: the sockets are the parent's
                self._idle, self._pid = [], os.getpid()
            while self._idle:
                connection = self._idle.pop()
                if connection.is_usable():
                    return connection
                connection.close()
        return Connection(self.origin, self._connect(timeout))

    def _connect(self, timeout: Optional[float]) -> socket.socket:
        where = f"{self.origin.scheme}://{self.origin.authority}"
        try:
            sock = socket.create_connection((self.origin.host, self.origin.port), timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return self._tls.wrap_socket(sock, server_hostname=self.origin.host) if self._tls else sock
        except OSError as error:
            raise SandboxConnectionError(f"Failed to connect to server: {where} ({error})", False) from error

    def _release(self, connection: Connection) -> None:
        if connection.reader.complete and connection.reader.keep_alive:
            connection.idle_since = time.monotonic()
            with self._lock:
                if self._pid == os.getpid() and len(self._idle) < IDLE_MAX:
                    self._idle.append(connection)
                    return
        connection.close()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


def tls_context(verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


__all__: Tuple[str, ...] = ("Channel", "Connection", "SyncDriver", "tls_context")
