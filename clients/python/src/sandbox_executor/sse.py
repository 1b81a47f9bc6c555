"""Server-Sent Events, cut anywhere: bytes in, messages out. It knows nothing of the service."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import List, Optional

from .errors import ProtocolError

MAX_CHARS = 64 * 1024 * 1024  # of one event; the service's own stay under 64 KB


@dataclass(frozen=True)
class Message:
    event: str  # "message" where none was named
    data: str
    id: str  # the last one seen up to here; "" before the first


class Parser:
    def __init__(self, max_chars: int = MAX_CHARS) -> None:
        self.retry: Optional[float] = None  # seconds
        self._max = max_chars
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._rest: List[str] = []  # of a line whose end has not come
        self._rest_size = 0
        self._after_cr = False
        self._data: List[str] = []
        self._size = 0
        self._event = self._id = ""

    def feed(self, data: bytes) -> List[Message]:
        """The messages that these bytes complete. One is complete at its blank line; the end of the stream completes none."""
        text = self._decoder.decode(data)
        if not text:
            return []
        if self._after_cr and text[0] == "\n":
            text = text[1:]
        self._after_cr = text.endswith("\r") if text else False
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        messages: List[Message] = []
        for line in lines[:-1]:
            self._rest.append(line)
            self._line("".join(self._rest), messages)
            self._rest, self._rest_size = [], 0
        if lines[-1]:
            self._rest.append(lines[-1])
            self._rest_size += len(lines[-1])
            self._bound(self._rest_size)
        return messages

    def _bound(self, more: int) -> None:
        if self._size + more > self._max:
            raise ProtocolError(f"An event is longer than {self._max} characters")

    def _line(self, line: str, messages: List[Message]) -> None:
        if not line:
            if self._data:
                messages.append(Message(self._event or "message", "\n".join(self._data), self._id))
            self._data, self._size, self._event = [], 0, ""
            return
        self._bound(len(line))
        name, _, value = line.partition(":")
        if name:
            self._field(name, value[1:] if value.startswith(" ") else value)

    def _field(self, name: str, value: str) -> None:
        if name == "data":
            self._data.append(value)
            self._size += len(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry = int(value) / 1000
