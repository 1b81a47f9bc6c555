"""What the client does, apart from how it waits.

The logic (retries, resuming, runs with their files) is written once, as generators that yield effects: "make this request", "read more of
that stream", "wait". A driver performs them, blocking (SyncDriver in transport.py) or not (AsyncDriver in aio.py), and hands the outcome
back, an exception by throwing it in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generator, TypeVar, Union

from .http1 import Request, Response

T = TypeVar("T")


@dataclass(frozen=True)
class Exchange:
    """A request and its whole answer: Response."""

    request: Request


@dataclass(frozen=True)
class Open:
    """A request whose answer is read piece by piece: a handle with `.head`, for Read and Close."""

    request: Request


@dataclass(frozen=True)
class Read:
    """The next bytes of the answer; b"" at its end."""

    handle: Any


@dataclass(frozen=True)
class Close:
    """Nothing more is wanted of it. Never fails."""

    handle: Any


@dataclass(frozen=True)
class Sleep:
    seconds: float


Effect = Union[Exchange, Open, Read, Close, Sleep]
Flow = Generator[Effect, Any, T]
__all__ = ["Close", "Effect", "Exchange", "Flow", "Open", "Read", "Request", "Response", "Sleep"]
