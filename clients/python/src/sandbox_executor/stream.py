"""A run's events over as many connections as it takes: every event once, the code sent once."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Any, AsyncIterator, Callable, Deque, Iterator, Optional, Type, TypeVar

from .api import NOT_DONE, Api, Call, error_of, segment
from .effects import Close, Flow, Open, Read, Sleep
from .errors import ApiError, ProtocolError, RateLimitError, RequestTimeoutError, SandboxConnectionError, SandboxException, ServerError, StreamFailedError, StreamLostError
from .events import Collector, Event, MissingEvent, Sequence
from .http1 import Request, Response
from .result import ExecutionResult, result_from_json
from .sse import Message, Parser

T = TypeVar("T")
W = TypeVar("W", bound="Watch")
_EVENT_STREAM = {"Accept": "text/event-stream", "Cache-Control": "no-cache"}


def in_session(api: Api, begin: Call, session: Optional[Call]) -> Flow[Call]:
    """The call that begins a run, in the session that `session` makes."""
    if session is None:
        return begin
    made = yield from api.json(session)
    return replace(begin, json={**begin.json, "sessionId": made["id"]})


class EventFlow:
    """`begin` starts the run and is sent once, whatever happens; without it the run `execution_id` is watched, after the event `after`.

    `session` makes the session that it runs in, before.
    """

    def __init__(self, api: Api, begin: Optional[Call] = None, execution_id: Optional[str] = None, after: Optional[str] = None,
                 session: Optional[Call] = None) -> None:
        self.api = api
        self._session = session
        self.execution_id = execution_id
        self.result: Optional[ExecutionResult] = None
        self.over = False
        self._begin = begin
        self._sequence = Sequence(after)
        self._collector = Collector(after is None)
        self._handle: Any = None
        self._parser = Parser()
        self._messages: Deque[Message] = deque()
        self._failures = 0
        self._cause: Optional[Exception] = None
        self._retry: Optional[float] = None

    @property
    def session_id(self) -> Optional[str]:
        return self._sequence.session_id

    @property
    def last_event_id(self) -> Optional[str]:
        return self._sequence.last_id

    def next(self) -> Flow[Optional[Event]]:
        """The next event; None behind the last."""
        while not self.over:
            while self._messages:
                event = yield from self._take(self._messages.popleft())
                if event is not None:
                    return event
            if self._handle is None:
                yield from self._connect()
            else:
                yield from self._read()
        return None

    def close(self) -> Flow[None]:
        self.over = True
        yield from self._drop()

    def _drop(self) -> Flow[None]:
        handle, self._handle = self._handle, None
        self._messages.clear()
        if handle is not None:
            yield Close(handle)

    def _take(self, message: Message) -> Flow[Optional[Event]]:
        try:
            event = self._sequence.take(message)
        except MissingEvent as error:
            self._cause = error
            yield from self._drop()
            return None
        self.execution_id = self.execution_id or self._sequence.execution_id
        if event is None:
            return None
        self._failures = 0
        self._collector.add(event)
        if event.is_last:
            yield from self.close()
            self._conclude(event)
        return event

    def _conclude(self, event: Event) -> None:
        data = event.data if isinstance(event.data, dict) else {}
        if event.type == "error":
            raise StreamFailedError(str(data.get("message") or data.get("error") or "The service failed"), event.data, self.execution_id)
        if not data:
            raise ProtocolError("A complete event has no result")
        self.result = result_from_json(self._collector.finish(data))

    def _read(self) -> Flow[None]:
        try:
            data: bytes = yield Read(self._handle)
            if data:
                self._messages.extend(self._parser.feed(data))
                return
            self._cause = SandboxConnectionError("The stream ended before the run did", True)
        except (SandboxConnectionError, RequestTimeoutError) as error:
            self._cause = error
        except ProtocolError as error:
            if error.details is None:
                raise
            self._cause = error  # broken framing: a cut, for all that it matters
        self._retry = self._parser.retry if self._parser.retry is not None else self._retry
        yield from self._drop()

    def _connect(self) -> Flow[None]:
        begin, self._begin = self._begin, None
        if begin is not None:
            begin = yield from in_session(self.api, begin, self._session)
            try:
                yield from self._begin_at(begin)
                return
            except (SandboxConnectionError, RequestTimeoutError) as error:
                if isinstance(error, SandboxConnectionError) and not error.sent:
                    raise
                raise StreamLostError("The connection was cut before the service named the run; it is not started again") from error
        yield from self._resume()

    def _begin_at(self, begin: Call) -> Flow[None]:
        """Where the session is; while it is on its way, soon."""
        for attempt in range(self.api.patience.attempts + 1):
            try:
                yield from self._open(self.api.request(begin))
                return
            except ApiError as error:
                if self.api.follow(begin, error):
                    continue
                if error.code not in NOT_DONE or attempt == self.api.patience.attempts:
                    raise
                pause = min(error.retry_after or self.api.patience.delay, self.api.patience.delay_max)
            yield Sleep(pause)
        yield from self._open(self.api.request(begin))

    def _resume(self) -> Flow[None]:
        while True:
            if self.execution_id is None:
                raise StreamLostError("The connection was cut before the service named the run; it is not started again") from self._cause
            if self._failures > self.api.patience.resume_attempts:
                raise StreamLostError(f"The stream could not be resumed: {self._cause}", self.execution_id, self.last_event_id) from self._cause
            pause = self._pause()
            if pause > 0:
                yield Sleep(pause)
            self._failures += 1
            last = self._sequence.last_id
            call = Call("GET", f"/api/v1/executions/{segment(self.execution_id)}/events", headers={"Last-Event-ID": last} if last else {})
            try:
                yield from self._open(self.api.request(call))
                return
            except (SandboxConnectionError, RequestTimeoutError, ServerError, RateLimitError) as error:
                self._cause = error

    def _pause(self) -> float:
        patience = self.api.patience
        after = getattr(self._cause, "retry_after", None)
        if after is not None:
            return min(float(after), patience.delay_max)
        if self._failures == 0:
            return 0
        return float(min((self._retry or patience.delay) * 2 ** (self._failures - 1), patience.resume_delay_max))

    def _open(self, request: Request) -> Flow[None]:
        request = Request(request.method, request.path, {**request.headers, **_EVENT_STREAM}, request.body, self.api.patience.stream_silence)
        handle = yield Open(request)
        head: Response = handle.head
        try:
            if head.status != 200:
                parts = []
                while True:
                    data: bytes = yield Read(handle)
                    if not data:
                        break
                    parts.append(data)
                raise error_of(Response(head.status, head.headers, b"".join(parts)))
            if not head.headers.get("content-type", "").startswith("text/event-stream"):
                raise ProtocolError("The answer is not an event stream", head.headers.get("content-type"))
        except BaseException:
            yield Close(handle)
            raise
        self.execution_id = self.execution_id or head.headers.get("x-execution-id")
        self._handle, self._parser = handle, Parser()

    # ---- what can be done to the run ----

    def _address(self) -> str:
        if self.execution_id is None:
            raise SandboxException("The run has no id yet: its first event has not come", "NO_ID")
        return f"/api/v1/executions/{segment(self.execution_id)}"

    def cancel(self) -> Flow[bool]:
        answer = yield from self.api.json(Call("DELETE", self._address()))
        return bool(answer.get("success"))

    def send_input(self, text: str) -> Flow[None]:
        yield from self.api.json(Call("POST", f"{self._address()}/input", {"text": text}))

    def leave(self) -> Flow[None]:
        """The reader goes before the end, and the run with it."""
        was_over = self.over
        yield from self.close()
        if was_over or self.execution_id is None:
            return
        try:
            yield from self.cancel()
        except ApiError:
            pass  # it has ended meanwhile
        except SandboxConnectionError:
            pass  # nobody is there to be told

    def rest(self) -> Flow[ExecutionResult]:
        while (yield from self.next()) is not None:
            pass
        if self.result is None:
            raise StreamLostError("The stream was left before its end", self.execution_id, self.last_event_id)
        return self.result


class Watch:
    """What blocking and asynchronous streams have in common: which run it is, and whose it is when the stream is left."""

    def __init__(self, flow: EventFlow, run: Callable[[Flow[Any]], Any]) -> None:
        self._flow, self._run, self._detached = flow, run, False

    @property
    def execution_id(self) -> Optional[str]:
        return self._flow.execution_id

    @property
    def session_id(self) -> Optional[str]:
        return self._flow.session_id

    @property
    def last_event_id(self) -> Optional[str]:
        return self._flow.last_event_id

    def detach(self: W) -> W:
        """The run goes on when the stream is left."""
        self._detached = True
        return self

    def _end(self) -> Flow[None]:
        return self._flow.close() if self._detached else self._flow.leave()


class ExecutionStream(Watch):
    """Iterate over the events. Leaving a `with` block before the end interrupts the run (unless detach() was called)."""

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        event: Optional[Event] = self._run(self._flow.next())
        if event is None:
            raise StopIteration
        return event

    def result(self) -> ExecutionResult:
        """Reads what is left of the events. The whole output is in it."""
        result: ExecutionResult = self._run(self._flow.rest())
        return result

    def cancel(self) -> bool:
        """Interrupts the run; its events go on to their end. Returns whether it was still running."""
        return bool(self._run(self._flow.cancel()))

    def send_input(self, text: str) -> None:
        """Answers an inputRequest event."""
        self._run(self._flow.send_input(text))

    def close(self) -> None:
        self._run(self._end())

    def __enter__(self) -> "ExecutionStream":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], *_: object) -> None:
        self.close()


class AsyncExecutionStream(Watch):
    """As ExecutionStream, with `async for` and `async with`."""

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        event: Optional[Event] = await self._run(self._flow.next())
        if event is None:
            raise StopAsyncIteration
        return event

    async def result(self) -> ExecutionResult:
        result: ExecutionResult = await self._run(self._flow.rest())
        return result

    async def cancel(self) -> bool:
        return bool(await self._run(self._flow.cancel()))

    async def send_input(self, text: str) -> None:
        await self._run(self._flow.send_input(text))

    async def close(self) -> None:
        await self._run(self._end())

    async def __aenter__(self) -> "AsyncExecutionStream":
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], *_: object) -> None:
        await self.close()
