"""Every error that this package raises is a SandboxException.

What user code does (an exception, a timeout, a refusal) is none of them: it is a result whose `success` is False.
"""

from __future__ import annotations

from typing import Any, Mapping, Optional


class SandboxException(Exception):
    """The base class. `code` names the error; `details` is what else is known, such as the body of the answer."""

    def __init__(self, message: str = "", code: str = "SANDBOX_ERROR", details: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.details = details


# ---- how a program ended, for those who want it raised: ExecutionResult.raise_for_status() ----


class ExecutionTimeoutError(SandboxException):
    """The program ran into its time limit."""

    def __init__(self, timeout: float, details: Any = None) -> None:
        super().__init__(f"Execution timed out after {timeout:g} seconds", "EXECUTION_TIMEOUT", details)
        self.timeout = timeout


class SecurityViolationError(SandboxException):
    """The policy refused the program."""

    def __init__(self, message: str, violation_type: str = "policy", details: Any = None) -> None:
        super().__init__(message, "SECURITY_VIOLATION", details)
        self.violation_type = violation_type


class CodeValidationError(SandboxException):
    """The program is not Python."""

    def __init__(self, message: str, line: Optional[int] = None, details: Any = None) -> None:
        super().__init__(message, "INVALID_CODE", details)
        self.line = line


class ResourceLimitError(SandboxException):
    """The program went over a limit."""

    def __init__(self, resource: str, limit: Any = None, details: Any = None) -> None:
        super().__init__(f"Resource limit exceeded: {resource}" + (f" (limit {limit})" if limit is not None else ""), "RESOURCE_LIMIT", details)
        self.resource = resource
        self.limit = limit


class NetworkAccessError(SandboxException):
    """The program wanted a network that it does not have. A name of secure-python-sandbox: never raised here, either."""


class ExecutionFailedError(SandboxException):
    """The program failed in any other way; `details` is its ExecutionResult."""


# ---- what the service answers when it is not 2xx ----


class ApiError(SandboxException):
    """An answer that says no. `status` is its HTTP status, `request_id` what to look for in the service's log."""

    def __init__(self, message: str, code: str, status: int, details: Any = None, retry_after: Optional[float] = None, request_id: Optional[str] = None) -> None:
        super().__init__(message, code, details)
        self.status = status
        self.retry_after = retry_after
        self.request_id = request_id

    @property
    def validation_errors(self) -> "list[Any]":
        found = self.details.get("validationErrors") if isinstance(self.details, Mapping) else None
        return found if isinstance(found, list) else []


class ValidationError(ApiError):
    """400, 422: the request is not what the service takes."""


class AuthenticationError(ApiError):
    """401"""


class ForbiddenError(ApiError):
    """403"""


class NotFoundError(ApiError):
    """404"""


class ConflictError(ApiError):
    """409: the session is busy, or no input is wanted."""


class GoneError(ApiError):
    """410: it was there once; the message says why it is not any more."""


class PayloadTooLargeError(ApiError):
    """413"""


class RateLimitError(ApiError):
    """429"""


class ServerError(ApiError):
    """500 and above"""


# ---- what goes wrong on the way ----


class SandboxConnectionError(SandboxException):
    """No answer, or a part of one. `sent` is False when the request certainly never reached the service."""

    def __init__(self, message: str, sent: bool) -> None:
        super().__init__(message, "CONNECTION_LOST" if sent else "CONNECTION_REFUSED")
        self.sent = sent


class RequestTimeoutError(SandboxException):
    """The client's own limit passed. What the service did with the request is not known."""

    def __init__(self, timeout: float) -> None:
        super().__init__(f"API request timed out after {timeout:g} seconds", "REQUEST_TIMEOUT")
        self.timeout = timeout


class ProtocolError(SandboxException):
    """The answer is not one of this service: a proxy's page, a broken event."""

    def __init__(self, message: str, details: Any = None) -> None:
        super().__init__(message, "PROTOCOL_ERROR", details)


class StreamLostError(SandboxException):
    """A stream was cut and could not be resumed.

    With an execution_id the program may well be going on: get_execution() and watch() tell. Without one it is not known whether it was
    started; it is never started again.
    """

    def __init__(self, message: str, execution_id: Optional[str] = None, last_event_id: Optional[str] = None) -> None:
        super().__init__(message, "STREAM_LOST")
        self.execution_id = execution_id
        self.last_event_id = last_event_id


class StreamFailedError(SandboxException):
    """An `error` event: the service, not the program, failed."""

    def __init__(self, message: str, details: Any = None, execution_id: Optional[str] = None) -> None:
        super().__init__(message, "STREAM_FAILED", details)
        self.execution_id = execution_id


_BY_STATUS = {400: ValidationError, 401: AuthenticationError, 403: ForbiddenError, 404: NotFoundError, 409: ConflictError, 410: GoneError,
              413: PayloadTooLargeError, 422: ValidationError, 429: RateLimitError}


def api_error(status: int, headers: Mapping[str, str], body: Any, text: str) -> ApiError:
    """The error that an answer stands for. `body` is its JSON, or None."""
    fields: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
    message = fields.get("message") or fields.get("error") or f"HTTP {status}"
    after = headers.get("retry-after", "")
    kind = _BY_STATUS.get(status) or (ServerError if status >= 500 else ApiError)
    return kind(str(message), str(fields.get("code", f"HTTP_{status}")), status, body if body is not None else text[:4096],
                float(after) if after.replace(".", "", 1).isascii() and after.replace(".", "", 1).isdigit() else None, headers.get("x-request-id"))
