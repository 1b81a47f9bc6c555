"""The events of a run, put in order: each once, values that came in parts whole, the output collected."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any, Dict, List, Optional, Tuple

from .errors import ProtocolError
from .sse import MAX_CHARS, Message

_ID = re.compile(r"([0-9a-fA-F]+)-([0-9]+)\Z")


@dataclass(frozen=True)
class Event:
    """`type` is start, stdout, stderr, plot, result, variable, inputRequest, truncated, gap, complete or error; `data` is as the API says.

    `id` is its place in the run: watch(execution_id, after=event.id) goes on behind it.
    """

    type: str
    data: Any
    timestamp: str = ""
    execution_id: Optional[str] = None
    session_id: Optional[str] = None
    id: str = ""

    @property
    def is_last(self) -> bool:
        return self.type in ("complete", "error")


def parse_event(message: Message) -> Event:
    try:
        value = json.loads(message.data)
    except (ValueError, RecursionError):
        raise ProtocolError("The data of an event is not JSON", message.data[:1024]) from None
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise ProtocolError("An event has no type", message.data[:1024])
    return Event(value["type"], value.get("data"), str(value.get("timestamp", "")), value.get("executionId"), value.get("sessionId"), message.id)


class Parts:
    """A plot, result or variable too long for one event comes as several of type `part`, one directly after the other."""

    def __init__(self, may_lack_beginning: bool) -> None:
        self._lacks = may_lack_beginning
        self._chunks: List[str] = []
        self._type = ""
        self._size = 0

    def lose(self) -> None:
        self._chunks, self._lacks = [], True

    def add(self, event: Event) -> Optional[Event]:
        """The event, the joined one with its last part, or None while parts are missing."""
        if event.type != "part":
            if event.type != "gap":
                if self._chunks:
                    raise ProtocolError(f"A {self._type} was sent in parts and its end never came")
                self._lacks = False
            return event
        data = event.data if isinstance(event.data, dict) else {}
        index, count, chunk, kind = data.get("part"), data.get("parts"), data.get("chunk"), data.get("type")
        if not (isinstance(index, int) and isinstance(count, int) and isinstance(chunk, str) and isinstance(kind, str) and 0 <= index < count):
            raise ProtocolError("A part of an event is malformed", event.data)
        return self._take(event, kind, index, count, chunk)

    def _take(self, event: Event, kind: str, index: int, count: int, chunk: str) -> Optional[Event]:
        if index == 0:
            self._lacks, self._size = False, 0
        if self._lacks:
            return None
        if index != len(self._chunks) or (index > 0 and kind != self._type):
            raise ProtocolError(f"Part {index} of a {kind} came where part {len(self._chunks)} was due")
        self._type = kind
        self._size += len(chunk)
        if self._size > MAX_CHARS:
            raise ProtocolError(f"A {kind} is longer than {MAX_CHARS} characters")
        self._chunks.append(chunk)
        if index + 1 < count:
            return None
        text, self._chunks = "".join(self._chunks), []
        try:
            return replace(event, type=kind, data=json.loads(text))
        except ValueError:
            raise ProtocolError(f"The parts of a {kind} do not make up one value") from None


class MissingEvent(Exception):
    """There is an event between this one and the last: the connection is of no use any more."""


class Sequence:
    def __init__(self, last_id: Optional[str] = None) -> None:
        self.last_id = last_id
        self.execution_id: Optional[str] = None
        self.session_id: Optional[str] = None
        self._epoch, self._number = _parse_id(last_id or "")
        self._parts = Parts(last_id is not None)

    def take(self, message: Message) -> Optional[Event]:
        """The next event; None for one that was seen, or a part of one. Raises MissingEvent."""
        event = parse_event(message)
        epoch, number = _parse_id(message.id)
        if epoch is not None and event.type == "gap":
            self._epoch, self._number = epoch, number
            self._parts.lose()
        elif epoch is not None:
            if self._epoch not in (None, epoch):
                raise ProtocolError(f"An event of another run ({epoch}, not {self._epoch}) came")
            if number <= self._number:
                return None
            if number > self._number + 1:
                raise MissingEvent(f"The event before {message.id} is missing")
            self._epoch, self._number = epoch, number
        self.last_id = message.id or self.last_id
        self.execution_id = event.execution_id or self.execution_id
        self.session_id = event.session_id or self.session_id
        return self._parts.add(event)


def _parse_id(text: str) -> Tuple[Optional[str], int]:
    match = _ID.match(text)
    if match:
        return match.group(1).lower(), int(match.group(2))
    return None, int(text) if text.isascii() and text.isdigit() else 0


class Collector:
    """The whole result of a streamed run: its last event has room for the beginning of the output only."""

    def __init__(self, from_start: bool) -> None:
        self._from_start = from_start
        self._cut = False
        self._text: Dict[str, List[str]] = {"stdout": [], "stderr": []}
        self._values: Dict[str, List[Any]] = {"plot": [], "result": []}
        self._variables: Dict[str, Any] = {}

    def add(self, event: Event) -> None:
        if event.type in self._text and isinstance(event.data, str):
            self._text[event.type].append(event.data)
        elif event.type in self._values:
            self._values[event.type].append(event.data)
        elif event.type == "variable" and isinstance(event.data, dict):
            self._variables[str(event.data.get("name"))] = event.data
        elif event.type == "truncated":
            self._cut = True
        elif event.type == "gap":
            self._gap(event.data)

    def _gap(self, data: Any) -> None:
        self._cut = True
        if isinstance(data, dict) and data.get("reason") == "unknown":  # everything that is there follows
            for each in (*self._text.values(), *self._values.values()):
                each.clear()

    def finish(self, result: Dict[str, Any]) -> Dict[str, Any]:
        told = result.get("output") or {}
        if not isinstance(told, dict):
            raise ProtocolError("The result of a run is malformed", result)
        output = {
            **told,
            "stdout": _longer("".join(self._text["stdout"]), told.get("stdout")),
            "stderr": _longer("".join(self._text["stderr"]), told.get("stderr")),
            "plots": self._plots(told.get("plots") or []),
            "results": _longer(self._values["result"], told.get("results")),
            "variables": {**(told.get("variables") or {}), **self._variables},
        }
        whole = {**result, "output": output}
        if self._cut:
            whole["truncated"] = True
        elif self._from_start:
            whole.pop("truncated", None)
        return whole

    def _plots(self, told: List[Any]) -> List[Any]:
        known = {plot.get("id"): plot for plot in self._values["plot"] if isinstance(plot, dict)}
        return [known.get(plot.get("id"), plot) for plot in _longer(self._values["plot"], told) if isinstance(plot, dict)]


def _longer(collected: Any, told: Any) -> Any:
    return told if told is not None and len(told) > len(collected) else collected
