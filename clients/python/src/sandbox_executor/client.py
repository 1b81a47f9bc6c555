"""The client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Tuple

from . import calls
from .api import Call
from .base import BaseClient
from .calls import FileContent, RunOptions
from .config import ClientConfig, ExecutionMode
from .effects import Flow
from .errors import SandboxException
from .result import ExecutionResult
from .session import Session
from .stream import ExecutionStream, EventFlow
from .transport import SyncDriver

if TYPE_CHECKING:
    from typing_extensions import Unpack


class SandboxClient(BaseClient):
    """Runs Python in the Penny sandbox. Threads may share it.

    Without server_url in local mode: the code runs in the real jail, of a service that this process starts and ends. Seconds, megabytes.
    """

    def __init__(self, server_url: Optional[str] = None, timeout: float = 30, allow_network: bool = False, mode: ExecutionMode = ExecutionMode.SECURE,
                 max_memory_mb: int = 128, api_timeout: float = 60, api_key: Optional[str] = None) -> None:
        super().__init__(ClientConfig(server_url=server_url, timeout=timeout, allow_network=allow_network, mode=mode, max_memory_mb=max_memory_mb,
                                      api_timeout=api_timeout, api_key=api_key))
        self._driver: Optional[SyncDriver] = None

    @classmethod
    def from_config(cls, config: ClientConfig) -> "SandboxClient":
        client = cls(config.server_url, config.timeout, config.allow_network, config.mode, config.max_memory_mb, config.api_timeout, config.api_key)
        client.config = config
        return client

    @classmethod
    def from_env(cls, env_file: Optional[str] = ".env") -> "SandboxClient":
        """SANDBOX_MODE, SANDBOX_TIMEOUT, SANDBOX_ALLOW_NETWORK, SANDBOX_MAX_MEMORY_MB, SANDBOX_URL, SANDBOX_API_KEY: environment, then .env."""
        return cls.from_config(ClientConfig.from_env(env_file))

    def _run(self, flow: Flow[Any]) -> Any:
        self._prepare()
        driver = self._driver
        if driver is None or driver.origin != self.origin:
            self.close()
            driver = self._driver = SyncDriver(self.origin)
        return driver.run(flow)

    def _ask(self, call: Call) -> Any:
        self._prepare()
        return self._run(self.api.json(call))

    # ---- as secure-python-sandbox has it ----

    def execute(self, code: str, input_files: Optional[Mapping[str, FileContent]] = None, timeout: Optional[float] = None,
                allow_network: Optional[bool] = None) -> ExecutionResult:
        """Runs the code in a fresh session that is gone afterwards. Files that it made are in the result: get_file_content(name).

        stdout and stderr come without white space at their ends, as that client has them; result.raw has all of it.
        """
        self._prepare()
        result: ExecutionResult = self._run(self._once(code, input_files or {}, timeout, allow_network))
        return self._finish(result)

    def validate_code(self, code: str) -> Tuple[bool, Optional[str]]:
        """Whether it is Python, and in SECURE mode whether the policy takes it; and why not."""
        return self._verdict(self._ask(self._validation(code)))

    def health_check(self) -> bool:
        try:
            self._ask(Call("GET", "/health"))
            return True
        except SandboxException:
            return False

    # ---- sessions ----

    def create_session(self, *, policy: Optional[str] = None, metadata: Optional[Mapping[str, Any]] = None, variables: Optional[Mapping[str, Any]] = None,
                       env: Optional[Mapping[str, str]] = None, idle_timeout: Optional[float] = None, resources: Optional[Mapping[str, int]] = None,
                       packages: Optional[Sequence[str]] = None, allow_network: Optional[bool] = None) -> Session:
        """policy: standard or open; None: as this client's mode says."""
        call = calls.create_session(policy=policy or self.config.mode.profile, metadata=metadata, variables=variables, env=env, idle_timeout=idle_timeout,
                                    resources=resources, packages=packages, allow_network=allow_network or self.config.allow_network or None)
        return self.session(str((self._ask(call))["id"]))

    def session(self, session_id: str) -> Session:
        """One that exists. Makes no request."""
        return Session(self.api, self._run, session_id)

    def list_sessions(self, status: Optional[str] = None, limit: Optional[int] = None, offset: Optional[int] = None) -> Dict[str, Any]:
        """{"sessions": [...], "total", "limit", "offset"}"""
        return dict(self._ask(Call("GET", "/api/v1/sessions", query={"status": status, "limit": limit, "offset": offset})))

    def import_session(self, data: bytes) -> Dict[str, Any]:
        """What Session.export() gave, here."""
        self._prepare()
        call = Call("POST", "/api/v1/sessions/import", body=data, headers={"Content-Type": "application/octet-stream"}, timeout=self.api.patience.transfer_timeout)
        return dict(self._ask(call))

    # ---- runs ----

    def stream(self, code: str, session_id: Optional[str] = None, **options: "Unpack[RunOptions]") -> ExecutionStream:
        """Runs the code (in a new session that stays, unless one is given); its events come as they happen."""
        self._prepare()
        begin = calls.stream(calls.run_body(code, session_id, **options))
        return ExecutionStream(EventFlow(self.api, begin, session=self._new_session(session_id)), self._run)

    def watch(self, execution_id: str, after: Optional[str] = None) -> ExecutionStream:
        """The events of a run that someone has started, from its first on or behind the event `after`. Leaving it does not end the run."""
        self._prepare()
        return ExecutionStream(EventFlow(self.api, None, execution_id, after), self._run).detach()

    def start(self, code: str, session_id: Optional[str] = None, **options: "Unpack[RunOptions]") -> Dict[str, Any]:
        """Runs in the background: {"executionId", "sessionId", "status"}."""
        self._prepare()
        return dict(self._run(self._start(calls.run_body(code, session_id, **options), session_id)))

    def get_execution(self, execution_id: str) -> Dict[str, Any]:
        """{"status": "running" or a final one, "result": ...}"""
        return dict(self._ask(calls.execution(execution_id)))

    def cancel(self, execution_id: str) -> bool:
        """Interrupts it; the session keeps its state. Returns whether it was still running."""
        return bool((self._ask(calls.execution(execution_id, method="DELETE"))).get("success"))

    def send_input(self, execution_id: str, text: str) -> None:
        """Answers input()."""
        self._ask(calls.execution(execution_id, "/input", "POST", {"text": text}))

    # ---- the service ----

    def validate(self, code: str, strict: bool = False) -> Dict[str, Any]:
        return dict(self._ask(Call("POST", "/api/v1/validate", {"code": code, "strict": strict})))

    def health(self) -> Dict[str, Any]:
        return dict(self._ask(Call("GET", "/health")))

    def list_packages(self, search: Optional[str] = None) -> List[Dict[str, Any]]:
        return list((self._ask(Call("GET", "/api/v1/packages", query={"search": search})))["packages"])

    def close(self) -> None:
        """Closes the connections; the client can go on being used."""
        driver, self._driver = self._driver, None
        if driver is not None:
            driver.close()

    def __enter__(self) -> "SandboxClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
