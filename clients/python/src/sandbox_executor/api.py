"""Requests of the service's API: what is sent, what may be sent again, what an answer means."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import Any, Dict, Mapping, Optional
from urllib.parse import quote, urlencode

from .effects import Exchange, Flow, Sleep
from .errors import ConflictError, ProtocolError, RateLimitError, SandboxConnectionError, SandboxException, ServerError, api_error
from .http1 import Request, Response


@dataclass(frozen=True)
class Patience:
    """Seconds and attempts."""

    api_timeout: float = 60  # for an answer; a run's own limit comes on top
    transfer_timeout: float = 600  # for a file, a package
    attempts: int = 3  # repetitions of what is safe to repeat
    delay: float = 0.1  # before the first of them; doubled each time
    delay_max: float = 30
    stream_silence: float = 45  # the service says something every 10 s
    resume_attempts: int = 20  # in a row that bring nothing new
    resume_delay_max: float = 5


def segment(text: str) -> str:
    """One part of a path, whatever it holds."""
    if text in ("", ".", ".."):
        raise SandboxException(f"{text!r} is no id or name", "BAD_REQUEST")
    return quote(text, safe="")


def file_path(path: str) -> str:
    """A path in the workspace, which may be given with /workspace before it."""
    if path.startswith("/workspace/"):
        path = path[len("/workspace/") :]
    return "/".join(segment(part) for part in path.split("/"))


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    json: Any = None  # the body
    body: Optional[bytes] = None
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: Optional[float] = None  # instead of api_timeout
    extra: float = 0  # on top of api_timeout


_ID = re.compile(r"[0-9A-Za-z-]{1,64}")


_PATH = re.compile(r"/api/v1/(?:sessions|packages/session)/([0-9A-Za-z-]{1,64})(?:/|$)")
_MOVES_MAX = 5  # in one call
# Answers that were given instead of doing anything.
NOT_DONE = frozenset({"SESSION_MOVING", "DRAINING"})


def _session_of(call: Call) -> Optional[str]:
    found = _PATH.match(call.path)
    if found is not None:
        return found[1]
    session = call.json.get("sessionId") if isinstance(call.json, dict) else None
    return session if isinstance(session, str) else None


class Api:
    def __init__(self, key: Optional[str] = None, patience: Optional[Patience] = None) -> None:
        self.patience = patience or Patience()
        self._headers = {"X-API-Key": key, "Authorization": f"Bearer {key}"} if key else {}
        self._moved: Dict[str, str] = {}  # sessions that have gone to another instance, under another id

    def _place(self, call: Call) -> Call:
        """The call as it is where its session is now."""
        session = _session_of(call)
        there = self._moved.get(session) if session is not None else None
        if session is None or there is None:
            return call
        json_body = {**call.json, "sessionId": there} if isinstance(call.json, dict) and call.json.get("sessionId") == session else call.json
        return replace(call, path=call.path.replace(session, there, 1), json=json_body)

    def follow(self, call: Call, error: SandboxException) -> bool:
        """Whether the error says that the session of the call is elsewhere now: then the same call goes there."""
        moved = error.details.get("movedTo") if error.code == "SESSION_MOVED" and isinstance(error.details, Mapping) else None
        there = moved.get("sessionId") if isinstance(moved, dict) else None
        session = _session_of(call)
        if session is None or not isinstance(there, str) or not _ID.fullmatch(there) or self._moved.get(session) == there:
            return False
        self._moved[session] = there
        return True

    def request(self, call: Call) -> Request:
        call = self._place(call)
        query = {name: _text(value) for name, value in call.query.items() if value is not None}
        path = call.path + ("?" + urlencode(query) if query else "")
        headers: Dict[str, str] = {**self._headers, **call.headers}
        body = call.body
        if call.json is not None:
            body = json.dumps(call.json, ensure_ascii=False, allow_nan=False).encode("utf-8", "surrogatepass")
            headers["Content-Type"] = "application/json"
            session = call.json.get("sessionId") if isinstance(call.json, dict) else None
            if isinstance(session, str) and _ID.fullmatch(session):
                headers["X-Session-ID"] = session  # proxies before several instances read no bodies
        timeout = call.timeout if call.timeout is not None else self.patience.api_timeout + call.extra
        return Request(call.method, path, headers, body, timeout)

    def send(self, call: Call) -> Flow[Response]:
        """The answer, when it is 2xx. A call that may have been carried out is repeated only where that changes nothing."""
        request = self.request(call)
        attempt = moves = 0
        while True:
            try:
                response: Response = yield Exchange(request)
                if 200 <= response.status < 300:
                    return response
                raise error_of(response)
            except SandboxException as error:
                if moves < _MOVES_MAX and self.follow(call, error):
                    moves += 1
                    request = self.request(call)
                    continue
                attempt += 1
                pause = self._pause(request, error, attempt)
                if pause is None:
                    raise
            yield Sleep(pause)

    def _pause(self, request: Request, error: SandboxException, attempt: int) -> Optional[float]:
        """Seconds before the next attempt; None: there is none."""
        if attempt > self.patience.attempts:
            return None
        if isinstance(error, SandboxConnectionError):
            may = not error.sent or request.is_idempotent
        elif isinstance(error, ServerError):
            may = error.code in NOT_DONE or (request.is_idempotent and error.status in (502, 503, 504))
        elif isinstance(error, ConflictError):
            may = request.is_idempotent and error.code == "SESSION_BUSY"  # variables, while a cell is about to end
        else:
            may = isinstance(error, RateLimitError)  # said instead of doing anything
        if not may:
            return None
        after = getattr(error, "retry_after", None)
        if after is not None:
            return float(after) if after <= self.patience.delay_max else None
        return float(min(self.patience.delay * 2 ** (attempt - 1), self.patience.delay_max))

    def json(self, call: Call) -> Flow["Answer"]:
        response = yield from self.send(call)
        return parse(response)

    def bytes(self, call: Call) -> Flow[bytes]:
        response = yield from self.send(call)
        return response.body


def _text(value: Any) -> str:
    return ("false", "true")[value] if isinstance(value, bool) else str(value)


class Answer(Dict[str, Any]):
    """A JSON object of the service. What it lacks is the service's fault, not the caller's."""

    def __missing__(self, name: str) -> Any:
        raise ProtocolError(f"The answer has no {name}", dict(self))


def parse(response: Response) -> Answer:
    try:
        value = json.loads(response.body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ProtocolError("The answer is not an object in JSON", response.body[:1024].decode("utf-8", "replace"))
    return Answer(value)


def error_of(response: Response) -> SandboxException:
    text = response.body.decode("utf-8", "replace")
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    return api_error(response.status, response.headers, body, text)
