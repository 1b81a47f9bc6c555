"""How a run ended and what it made."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional

from .errors import CodeValidationError, ExecutionFailedError, ExecutionTimeoutError, ProtocolError, ResourceLimitError, SecurityViolationError

_EXITED = re.compile(r"exited with status (\d+)")


@dataclass
class ExecutionResult:
    """stdout, stderr, return_code and output_files are what secure-python-sandbox has; the rest goes beyond it.

    return_code: 0; what sys.exit() or os._exit() said; 1 after an exception or a refusal; -1 after a timeout; 130 after an interrupt; -9 when
    the interpreter was killed, by a limit or otherwise.
    """

    stdout: str = ""
    stderr: str = ""
    return_code: int = 0
    output_files: Dict[str, str] = field(default_factory=dict)  # base64, by path
    status: str = "ok"  # ok, error, timeout, memory, interrupted, killed, rejected, lost
    state: str = "kept"  # of the session's variables: kept, rolledBack, lost
    error: Optional[Dict[str, Any]] = None  # {type, message, traceback, line?}
    results: List[Dict[str, Any]] = field(default_factory=list)  # the last expression's value and each display(), as MIME bundles
    plots: List[Dict[str, Any]] = field(default_factory=list)  # {id, format, data: base64, metadata}
    variables: Dict[str, Any] = field(default_factory=dict)  # what this run created or changed
    artifacts: List[Dict[str, Any]] = field(default_factory=list)  # files made: {path, size, mime}
    metrics: Dict[str, Any] = field(default_factory=dict)
    session_id: str = ""
    execution_id: str = ""
    execution_count: int = 0
    truncated: bool = False
    raw: Dict[str, Any] = field(default_factory=dict, repr=False)  # the service's own answer

    @property
    def success(self) -> bool:
        return self.return_code == 0

    @property
    def output(self) -> str:
        """stdout after a success, stderr otherwise."""
        return self.stdout if self.success else self.stderr

    @property
    def value(self) -> Optional[str]:
        """The value of the last expression, as text; None when there was none."""
        main = [r for r in self.results if r.get("isMainResult")]
        text = main[-1].get("data", {}).get("text/plain") if main else None
        return text if isinstance(text, str) else None

    def get_file_content(self, name: str) -> Optional[bytes]:
        """A file that the program made; None when there is no such file."""
        content = self.output_files.get(name)
        return None if content is None else base64.b64decode(content)

    def raise_for_status(self) -> "ExecutionResult":
        """Returns itself after a success, raises what fits otherwise."""
        if self.success:
            return self
        error = self.error or {}
        message = f"{error.get('type', self.status)}: {error.get('message', '')}"
        if self.status == "timeout":
            raise ExecutionTimeoutError(_seconds(self), self)
        if self.status == "rejected":
            raise SecurityViolationError(str(error.get("message", "refused by policy")), details=self)
        if self.status == "memory":
            raise ResourceLimitError("memory", details=self)
        if error.get("type") in ("SyntaxError", "IndentationError", "TabError"):
            raise CodeValidationError(message, error.get("line"), self)
        raise ExecutionFailedError(message, "EXECUTION_FAILED", self)


def _seconds(result: ExecutionResult) -> float:
    found = re.search(r"after (\d+)ms", str((result.error or {}).get("message", "")))
    return int(found.group(1)) / 1000 if found else float(result.metrics.get("executionTime", 0)) / 1000


def _return_code(status: str, error: Mapping[str, Any]) -> int:
    message = str(error.get("message", ""))
    if status == "ok":
        return 0
    if status == "error" and error.get("type") == "SystemExit":
        try:
            return int(message) & 0xFF
        except ValueError:
            return 1
    if status == "killed":
        found = _EXITED.search(message)
        return int(found.group(1)) if found else -9
    return {"timeout": -1, "interrupted": 130, "memory": -9, "lost": -9}.get(status, 1)


def _reason(status: str, error: Mapping[str, Any], result: ExecutionResult) -> str:
    """What the program's own stderr lacks."""
    if status == "rejected":
        return f"Security Error: {error.get('message', '')}"
    if status == "timeout":
        return f"Execution timed out after {_seconds(result):g} seconds"
    return str(error.get("traceback") or error.get("message") or "")


def result_from_json(raw: Dict[str, Any]) -> ExecutionResult:
    try:
        return _read(raw)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ProtocolError("The result of a run is malformed", raw) from None


def _read(raw: Dict[str, Any]) -> ExecutionResult:
    output: Mapping[str, Any] = raw.get("output") or {}
    error: Dict[str, Any] = raw.get("error") or {}
    status = str(raw.get("status") or ("ok" if raw["success"] else "error"))
    result = ExecutionResult(
        stdout=str(output.get("stdout") or ""), status=status, state=str(raw.get("state", "kept")), error=error or None,
        results=list(output.get("results") or []), plots=list(output.get("plots") or []), variables=dict(output.get("variables") or {}),
        artifacts=list(raw.get("artifacts") or []), metrics=dict(raw.get("metrics") or {}), session_id=str(raw.get("sessionId", "")),
        execution_id=str(raw.get("executionId", "")), execution_count=int(raw.get("executionCount") or 0), truncated=bool(raw.get("truncated")), raw=raw)
    result.return_code = _return_code(status, error)
    stderr = str(output.get("stderr") or "")
    if status != "ok":
        stderr += ("\n" if stderr and not stderr.endswith("\n") else "") + _reason(status, error, result)
    result.stderr = stderr
    return result
