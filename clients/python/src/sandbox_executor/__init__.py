"""Client of the Penny sandbox: live, jailed Python sessions, streamed. The names of secure-python-sandbox work unchanged."""

from __future__ import annotations

from .async_client import AsyncSandboxClient
from .async_session import AsyncSession
from .calls import RunOptions
from .client import SandboxClient
from .config import ClientConfig, ExecutionMode
from .errors import (
    ApiError,
    AuthenticationError,
    CodeValidationError,
    ConflictError,
    ExecutionFailedError,
    ExecutionTimeoutError,
    ForbiddenError,
    GoneError,
    NetworkAccessError,
    NotFoundError,
    PayloadTooLargeError,
    ProtocolError,
    RateLimitError,
    RequestTimeoutError,
    ResourceLimitError,
    SandboxConnectionError,
    SandboxException,
    SecurityViolationError,
    ServerError,
    StreamFailedError,
    StreamLostError,
    ValidationError,
)
from .events import Event
from .executor import SandboxConfig, SandboxExecutor
from .result import ExecutionResult
from .session import Session
from .stream import AsyncExecutionStream, ExecutionStream

__version__ = "1.0.0"
__all__ = [
    "ApiError", "AsyncExecutionStream", "AsyncSandboxClient", "AsyncSession", "AuthenticationError", "ClientConfig", "CodeValidationError", "ConflictError", "Event",
    "ExecutionFailedError", "ExecutionMode", "ExecutionResult", "ExecutionStream", "ExecutionTimeoutError", "ForbiddenError", "GoneError", "NetworkAccessError",
    "NotFoundError", "PayloadTooLargeError", "ProtocolError", "RateLimitError", "RequestTimeoutError", "ResourceLimitError", "RunOptions", "SandboxClient", "SandboxConfig",
    "SandboxConnectionError", "SandboxException", "SandboxExecutor", "SecurityViolationError", "ServerError", "Session", "StreamFailedError", "StreamLostError",
    "ValidationError",
]
