"""HTTP/1.1 without input or output: requests become bytes, bytes become answers, however they are cut."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Mapping, Optional
from urllib.parse import urlsplit

from .errors import ProtocolError, SandboxException

HEAD_MAX = 64 * 1024


@dataclass(frozen=True)
class Origin:
    """Where the service is."""

    scheme: str
    host: str
    port: int
    prefix: str  # of every path

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"


def parse_origin(url: str) -> Origin:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise SandboxException(f"{url}: {error}", "BAD_URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise SandboxException(f"{url!r} is not a URL such as http://localhost:3003", "BAD_URL")
    return Origin(parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80), parts.path.rstrip("/"))


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Optional[bytes] = None
    timeout: Optional[float] = None  # seconds without a byte; None: no limit

    @property
    def is_idempotent(self) -> bool:
        return self.method in ("GET", "HEAD", "PUT", "DELETE")

    def encode(self, origin: Origin) -> bytes:
        headers = {"Host": origin.authority, "User-Agent": "penny-sandbox-python", "Accept": "application/json", **self.headers}
        if self.body is not None or self.method in ("POST", "PUT", "PATCH"):
            headers["Content-Length"] = str(len(self.body or b""))
        lines = [f"{self.method} {origin.prefix}{self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        if any("\r" in line or "\n" in line for line in lines):
            raise SandboxException("a line break in a path or header", "BAD_REQUEST")
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "strict") + (self.body or b"")


@dataclass
class Response:
    status: int
    headers: Dict[str, str]  # names in lower case
    body: bytes = b""


class ResponseReader:
    """feed() takes what the connection brought, cut anywhere; eof() says that it is at its end."""

    def __init__(self, method: str = "GET") -> None:
        self.head: Optional[Response] = None
        self.complete = False
        self.keep_alive = True
        self._method = method
        self._raw = bytearray()
        self._body = bytearray()
        self._left: Optional[int] = None  # of the body or chunk; None: until the end of the connection
        self._chunked = False
        self._state = "head"

    def take(self) -> bytes:
        """The decoded body since the last call."""
        taken = bytes(self._body)
        self._body.clear()
        return taken

    def feed(self, data: bytes) -> None:
        self._raw += data
        while not self.complete and self._step():
            pass
        if self.complete and self._raw:
            self.keep_alive = False  # more than was asked for

    def eof(self) -> bool:
        """True when the answer is whole without more."""
        self.keep_alive = False
        if self._state == "body" and not self._chunked and self._left is None:
            self.complete = True
        return self.complete

    def _step(self) -> bool:
        if self._state == "head":
            return self._read_head()
        if self._state == "body":
            return self._read_data()
        return self._read_line()

    def _read_head(self) -> bool:
        end = self._raw.find(b"\r\n\r\n")
        if end > HEAD_MAX or (end < 0 and len(self._raw) > HEAD_MAX):
            raise ProtocolError("The head of an answer is too long")
        if end < 0:
            return False
        lines = self._raw[:end].decode("latin-1").split("\r\n")
        del self._raw[: end + 4]
        version, _, rest = lines[0].partition(" ")
        if version not in ("HTTP/1.1", "HTTP/1.0") or not rest[:3].isdigit():
            raise ProtocolError("The answer is not HTTP", lines[0][:200])
        headers: Dict[str, str] = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or name != name.strip():
                raise ProtocolError("A header of the answer is malformed", line[:200])
            headers[name.lower()] = value.strip()
        status = int(rest[:3])
        if status < 200:
            return True  # an interim answer
        self.head = Response(status, headers)
        self.keep_alive = version == "HTTP/1.1" and "close" not in headers.get("connection", "").lower()
        self._frame(status, headers)
        return True

    def _frame(self, status: int, headers: Mapping[str, str]) -> None:
        length = headers.get("content-length")
        self._chunked = headers.get("transfer-encoding", "").lower().endswith("chunked")
        self._state = "size" if self._chunked else "body"
        if self._method == "HEAD" or status in (204, 304):
            self.complete = True
        elif not self._chunked and length is not None:
            if not (length.isascii() and length.isdigit()):
                raise ProtocolError("The answer's length is not a number", length[:100])
            self._left = int(length)
            self.complete = self._left == 0

    def _read_data(self) -> bool:
        if not self._raw:
            return False
        size = len(self._raw) if self._left is None else min(self._left, len(self._raw))
        self._body += self._raw[:size]
        del self._raw[:size]
        if self._left is not None:
            self._left -= size
            if self._left == 0:
                self.complete = not self._chunked
                self._state = "data end"
                return self._chunked
        return bool(self._raw)

    def _read_line(self) -> bool:
        end = self._raw.find(b"\n")
        if end > HEAD_MAX or (end < 0 and len(self._raw) > HEAD_MAX):
            raise ProtocolError("A line of the answer's framing is too long")
        if end < 0:
            return False
        line = bytes(self._raw[:end]).rstrip(b"\r")
        del self._raw[: end + 1]
        if self._state == "trailer":
            self.complete = line == b""
        elif self._state == "data end":
            if line:
                raise ProtocolError("A chunk of the answer has a wrong length")
            self._state = "size"
        else:
            self._chunk(line.split(b";")[0].strip())
        return True

    def _chunk(self, size: bytes) -> None:
        try:
            if not size or size[:1] in b"+-" or b"_" in size:
                raise ValueError
            self._left = int(size, 16)
        except ValueError:
            raise ProtocolError("The size of a chunk is not a number", size[:100].decode("latin-1")) from None
        self._state = "body" if self._left > 0 else "trailer"
