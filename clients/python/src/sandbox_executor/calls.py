"""What can be asked of the service, as calls and flows: the one place that knows paths and bodies."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Dict, List, Literal, Mapping, Optional, Sequence, TypedDict, Union

from .api import Api, Call, file_path, segment
from .effects import Flow
from .errors import ApiError, GoneError, NotFoundError, SandboxConnectionError, SandboxException
from .result import ExecutionResult, result_from_json

if TYPE_CHECKING:
    from typing_extensions import Unpack

INLINE_MAX = 4 * 1024 * 1024  # bytes of files that go with the code; more are uploaded before
FileContent = Union[bytes, bytearray, memoryview, str]
_RUN_SECONDS = 30.0


def _drop_none(fields: Mapping[str, Any]) -> Dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _ms(seconds: Optional[float]) -> Optional[int]:
    return None if seconds is None else max(1, round(seconds * 1000))


def as_bytes(content: FileContent) -> bytes:
    return content.encode() if isinstance(content, str) else bytes(content)


class RunOptions(TypedDict, total=False):
    """How a program is to be run. Seconds, bytes."""

    timeout: Optional[float]
    files: Optional[Mapping[str, FileContent]]  # written before, by name
    variables: Optional[Mapping[str, Any]]  # set before
    env: Optional[Mapping[str, str]]  # of this run only
    stdin: Optional[str]  # answers input()
    packages: Optional[Sequence[str]]
    allow_network: Optional[bool]
    max_memory: Optional[int]
    transactional: Optional[bool]  # any failure takes the session back to where it was
    include_variables: Optional[bool]
    queue: Optional[bool]  # False: ConflictError where something runs
    on_disconnect: Optional[Literal["continue", "interrupt"]]


_FIELDS = {"stdin": "stdin", "allow_network": "allowNetworking", "max_memory": "maxMemory", "transactional": "transactional", "include_variables": "includeVariables",
           "queue": "queue", "on_disconnect": "onDisconnect"}
_OPTIONS = frozenset(RunOptions.__annotations__)


def run_body(code: str, session_id: Optional[str] = None, **options: "Unpack[RunOptions]") -> Dict[str, Any]:
    """The body of a run."""
    unknown = set(options) - _OPTIONS
    if unknown:
        raise TypeError(f"there is no option {min(unknown)!r} of a run")
    files, variables, env, packages = options.get("files"), options.get("variables"), options.get("env"), options.get("packages")
    body: Dict[str, Any] = {"code": code or "\n", "sessionId": session_id, "timeout": _ms(options.get("timeout"))}
    body.update((field, options.get(name)) for name, field in _FIELDS.items())
    body.update(variables=dict(variables) if variables else None, envVars=dict(env) if env else None, packages=list(packages) if packages else None)
    if files:
        body["files"] = {name: {"content": base64.b64encode(as_bytes(content)).decode("ascii"), "encoding": "base64"} for name, content in files.items()}
    return _drop_none(body)


def run_seconds(body: Mapping[str, Any]) -> float:
    return float(body.get("timeout", _RUN_SECONDS * 1000)) / 1000


def execute(api: Api, body: Mapping[str, Any]) -> Flow[ExecutionResult]:
    raw = yield from api.json(Call("POST", "/api/v1/execute", body, extra=run_seconds(body)))
    return result_from_json(raw)


def stream(body: Mapping[str, Any]) -> Call:
    return Call("POST", "/api/v1/execute/stream", body)


def start(body: Mapping[str, Any]) -> Call:
    return Call("POST", "/api/v1/executions", body)


def execution(execution_id: str, below: str = "", method: str = "GET", json: Any = None) -> Call:
    return Call(method, f"/api/v1/executions/{segment(execution_id)}{below}", json)


def create_session(*, policy: Optional[str] = None, metadata: Optional[Mapping[str, Any]] = None, variables: Optional[Mapping[str, Any]] = None,
                   env: Optional[Mapping[str, str]] = None, idle_timeout: Optional[float] = None, resources: Optional[Mapping[str, int]] = None,
                   packages: Optional[Sequence[str]] = None, allow_network: Optional[bool] = None) -> Call:
    body = _drop_none({"policy": policy, "metadata": metadata, "variables": variables, "envVars": env, "idleTimeout": _ms(idle_timeout),
                       "resources": resources, "packages": list(packages) if packages else None, "allowNetworking": allow_network})
    return Call("POST", "/api/v1/sessions", body)


class SessionCalls:
    """Everything below /api/v1/sessions/{id}."""

    def __init__(self, session_id: str) -> None:
        self._path = f"/api/v1/sessions/{segment(session_id)}"

    def get(self, below: str = "", **query: Any) -> Call:
        return Call("GET", self._path + below, query=query)

    def post(self, below: str, json: Any = None, extra: float = 0) -> Call:
        return Call("POST", self._path + below, {} if json is None else json, extra=extra)

    def delete(self, below: str = "") -> Call:
        return Call("DELETE", self._path + below)

    def update(self, metadata: Optional[Mapping[str, Any]], variables: Optional[Mapping[str, Any]]) -> Call:
        return Call("PATCH", self._path, _drop_none({"metadata": metadata, "variables": variables}))

    def set_variables(self, values: Mapping[str, Any]) -> Call:
        return Call("PUT", f"{self._path}/variables", dict(values))

    def variable(self, name: str, **query: Any) -> Call:
        return self.get(f"/variables/{segment(name)}", **query)

    def race(self, candidates: Sequence[str], keep: str, timeout: Optional[float]) -> Call:
        body = _drop_none({"candidates": list(candidates), "keep": keep, "timeout": _ms(timeout)})
        return self.post("/race", body, extra=(timeout or _RUN_SECONDS) * max(1, len(candidates)))

    def file(self, path: str, api: Api, method: str = "GET", content: Optional[FileContent] = None) -> Call:
        return Call(method, f"{self._path}/files/{file_path(path)}", body=None if content is None else as_bytes(content),
                    headers={"Accept": "*/*", "Content-Type": "application/octet-stream"}, timeout=api.patience.transfer_timeout)

    def bytes_of(self, below: str, api: Api, **query: Any) -> Call:
        return Call("GET", self._path + below, query=query, headers={"Accept": "*/*"}, timeout=api.patience.transfer_timeout)


def leave(api: Api, session: SessionCalls, failed: bool) -> Flow[None]:
    """The end of a `with` block: the session is gone. One that already is is fine; after a failure nothing else is raised in its place."""
    try:
        yield from api.send(session.delete())
    except (NotFoundError, GoneError):
        pass
    except SandboxException:
        if not failed:
            raise


def packages(action: str, session_id: str, names: Sequence[str], api: Api, **more: Any) -> Call:
    body = {"sessionId": session_id, "packages": list(names), **_drop_none(more)}
    return Call("POST", f"/api/v1/packages/{action}", body, timeout=api.patience.transfer_timeout)


def run_once(api: Api, body: Dict[str, Any], session: Call, files: Mapping[str, FileContent]) -> Flow[ExecutionResult]:
    """One program in a session of its own, with its files before and after; the session is gone in the end."""
    made = yield from api.json(session)
    calls = SessionCalls(made["id"])
    try:
        if sum(len(content) for content in files.values()) > INLINE_MAX:
            for name, content in files.items():
                yield from api.send(calls.file(name, api, "PUT", content))
        elif files:
            body = {**body, **run_body("", files=files), "code": body["code"]}
        result = yield from execute(api, {**body, "sessionId": made["id"]})
        for path in _made_files(result.artifacts, files):
            content = yield from api.bytes(calls.file(path, api))
            result.output_files[path] = base64.b64encode(content).decode("ascii")
    finally:
        try:
            yield from api.send(calls.delete())
        except (ApiError, SandboxConnectionError):
            pass  # it ends by itself when it has been idle for long enough
    return result


def _made_files(artifacts: List[Dict[str, Any]], given: Mapping[str, FileContent]) -> List[str]:
    return [str(artifact["path"]) for artifact in artifacts if artifact.get("path") not in given]
