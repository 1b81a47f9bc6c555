"""Connections that don't block, by asyncio; kept between requests, one user at a time each."""

from __future__ import annotations

import asyncio
import time
from typing import Any, List, Optional, TypeVar

from .effects import Close, Effect, Exchange, Flow, Open, Read, Sleep
from .errors import RequestTimeoutError, SandboxConnectionError
from .http1 import Origin, Request, Response
from .transport import IDLE_MAX, IDLE_SECONDS, READ_BYTES, Channel, tls_context

T = TypeVar("T")


class AsyncConnection(Channel):
    def __init__(self, origin: Origin, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(origin)
        self._reader, self._writer = reader, writer

    def is_usable(self) -> bool:
        return time.monotonic() - self.idle_since <= IDLE_SECONDS and not self._reader.at_eof() and not self._writer.is_closing()

    async def _within(self, awaitable: Any) -> Any:
        try:
            return await asyncio.wait_for(awaitable, self.timeout)
        except asyncio.TimeoutError:
            raise RequestTimeoutError(self.timeout or 0) from None
        except OSError as error:
            raise SandboxConnectionError(f"The connection was lost: {error}", True) from error

    async def send(self, request: Request) -> None:
        self._writer.write(self._begin(request))
        await self._within(self._writer.drain())
        while self.reader.head is None:
            await self._fill()

    async def _fill(self) -> None:
        self._feed(await self._within(self._reader.read(READ_BYTES)))

    async def read(self) -> bytes:
        while True:
            data = self.reader.take()
            if data or self.reader.complete:
                return data
            await self._fill()

    def close(self) -> None:
        self._writer.close()


class AsyncDriver:
    """Performs effects, in one event loop."""

    def __init__(self, origin: Origin, verify: bool = True) -> None:
        self.origin = origin
        self._tls = tls_context(verify) if origin.scheme == "https" else None
        self._idle: List[AsyncConnection] = []
        self._loop: Optional[asyncio.AbstractEventLoop] = None

    async def run(self, flow: Flow[T]) -> T:
        outcome: Any = None
        error: Optional[BaseException] = None
        while True:
            try:
                effect = flow.send(outcome) if error is None else flow.throw(error)
            except StopIteration as stop:
                result: T = stop.value
                return result
            try:
                outcome, error = await self._perform(effect), None
            except BaseException as raised:
                outcome, error = None, raised

    async def _perform(self, effect: Effect) -> Any:
        if isinstance(effect, Exchange):
            return await self._exchange(effect.request)
        if isinstance(effect, Open):
            return await self._open(effect.request)
        if isinstance(effect, Read):
            return await effect.handle.read()
        if isinstance(effect, Close):
            return self._release(effect.handle)
        assert isinstance(effect, Sleep)
        return await asyncio.sleep(effect.seconds)

    async def _open(self, request: Request) -> AsyncConnection:
        connection = await self._take(request.timeout)
        try:
            await connection.send(request)
        except BaseException:
            connection.close()
            raise
        return connection

    async def _exchange(self, request: Request) -> Response:
        connection = await self._open(request)
        try:
            parts = []
            while True:
                data = await connection.read()
                if not data:
                    break
                parts.append(data)
            head = connection.head
            return Response(head.status, head.headers, b"".join(parts))
        finally:
            self._release(connection)

    async def _take(self, timeout: Optional[float]) -> AsyncConnection:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:  # those of a loop that is gone can't be used, nor closed
            self._idle, self._loop = [], loop
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable():
                return connection
            connection.close()
        origin = self.origin
        try:
            opened = asyncio.open_connection(origin.host, origin.port, ssl=self._tls, limit=READ_BYTES)
            reader, writer = await asyncio.wait_for(opened, timeout)
        except asyncio.TimeoutError:
            raise SandboxConnectionError(f"Failed to connect to server: {origin.scheme}://{origin.authority} (timed out)", False) from None
        except OSError as error:
            raise SandboxConnectionError(f"Failed to connect to server: {origin.scheme}://{origin.authority} ({error})", False) from error
        return AsyncConnection(origin, reader, writer)

    def _release(self, connection: AsyncConnection) -> None:
        if connection.reader.complete and connection.reader.keep_alive and len(self._idle) < IDLE_MAX:
            connection.idle_since = time.monotonic()
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
