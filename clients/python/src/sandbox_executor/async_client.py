"""The client with `await`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Tuple

from . import calls
from .api import Call
from .base import BaseClient
from .calls import FileContent, RunOptions
from .config import ClientConfig, ExecutionMode
from .effects import Flow
from .errors import SandboxException
from .result import ExecutionResult
from .async_session import AsyncSession
from .stream import AsyncExecutionStream, EventFlow
from .aio import AsyncDriver

if TYPE_CHECKING:
    from typing_extensions import Unpack


class AsyncSandboxClient(BaseClient):
    """As SandboxClient, for asyncio.

    Without server_url in local mode: the code runs in the real jail, of a service that this process starts and ends. Seconds, megabytes.
    """

    def __init__(self, server_url: Optional[str] = None, timeout: float = 30, allow_network: bool = False, mode: ExecutionMode = ExecutionMode.SECURE,
                 max_memory_mb: int = 128, api_timeout: float = 60, api_key: Optional[str] = None) -> None:
        super().__init__(ClientConfig(server_url=server_url, timeout=timeout, allow_network=allow_network, mode=mode, max_memory_mb=max_memory_mb,
                                      api_timeout=api_timeout, api_key=api_key))
        self._driver: Optional[AsyncDriver] = None

    @classmethod
    def from_config(cls, config: ClientConfig) -> "AsyncSandboxClient":
        client = cls(config.server_url, config.timeout, config.allow_network, config.mode, config.max_memory_mb, config.api_timeout, config.api_key)
        client.config = config
        return client

    @classmethod
    def from_env(cls, env_file: Optional[str] = ".env") -> "AsyncSandboxClient":
        """SANDBOX_MODE, SANDBOX_TIMEOUT, SANDBOX_ALLOW_NETWORK, SANDBOX_MAX_MEMORY_MB, SANDBOX_URL, SANDBOX_API_KEY: environment, then .env."""
        return cls.from_config(ClientConfig.from_env(env_file))

    async def _run(self, flow: Flow[Any]) -> Any:
        await asyncio.get_running_loop().run_in_executor(None, self._prepare)
        driver = self._driver
        if driver is None or driver.origin != self.origin:
            self.close()
            driver = self._driver = AsyncDriver(self.origin)
        return await driver.run(flow)

    async def _ask(self, call: Call) -> Any:
        await asyncio.get_running_loop().run_in_executor(None, self._prepare)
        return await self._run(self.api.json(call))

    # ---- as secure-python-sandbox has it ----

    async def execute(self, code: str, input_files: Optional[Mapping[str, FileContent]] = None, timeout: Optional[float] = None,
                      allow_network: Optional[bool] = None) -> ExecutionResult:
        """Runs the code in a fresh session that is gone afterwards. Files that it made are in the result: get_file_content(name).

        stdout and stderr come without white space at their ends, as that client has them; result.raw has all of it.
        """
        await asyncio.get_running_loop().run_in_executor(None, self._prepare)
        result: ExecutionResult = await self._run(self._once(code, input_files or {}, timeout, allow_network))
        return self._finish(result)

    async def validate_code(self, code: str) -> Tuple[bool, Optional[str]]:
        """Whether it is Python, and in SECURE mode whether the policy takes it; and why not."""
        return self._verdict(await self._ask(self._validation(code)))

    async def health_check(self) -> bool:
        try:
            await self._ask(Call("GET", "/health"))
            return True
        except SandboxException:
            return False

    # ---- sessions ----

    async def create_session(self, *, policy: Optional[str] = None, metadata: Optional[Mapping[str, Any]] = None, variables: Optional[Mapping[str, Any]] = None,
                             env: Optional[Mapping[str, str]] = None, idle_timeout: Optional[float] = None, resources: Optional[Mapping[str, int]] = None,
                             packages: Optional[Sequence[str]] = None, allow_network: Optional[bool] = None) -> AsyncSession:
        """policy: standard or open; None: as this client's mode says."""
        call = calls.create_session(policy=policy or self.config.mode.profile, metadata=metadata, variables=variables, env=env, idle_timeout=idle_timeout,
                                    resources=resources, packages=packages, allow_network=allow_network or self.config.allow_network or None)
        return self.session(str((await self._ask(call))["id"]))

    def session(self, session_id: str) -> AsyncSession:
        """One that exists. Makes no request."""
        return AsyncSession(self.api, self._run, session_id)

    async def list_sessions(self, status: Optional[str] = None, limit: Optional[int] = None, offset: Optional[int] = None) -> Dict[str, Any]:
        """{"sessions": [...], "total", "limit", "offset"}"""
        return dict(await self._ask(Call("GET", "/api/v1/sessions", query={"status": status, "limit": limit, "offset": offset})))

    async def import_session(self, data: bytes) -> Dict[str, Any]:
        """What Session.export() gave, here."""
        await asyncio.get_running_loop().run_in_executor(None, self._prepare)
        call = Call("POST", "/api/v1/sessions/import", body=data, headers={"Content-Type": "application/octet-stream"}, timeout=self.api.patience.transfer_timeout)
        return dict(await self._ask(call))

    # ---- runs ----

    def stream(self, code: str, session_id: Optional[str] = None, **options: "Unpack[RunOptions]") -> AsyncExecutionStream:
        """Runs the code (in a new session that stays, unless one is given); its events come as they happen."""
        begin = calls.stream(calls.run_body(code, session_id, **options))
        return AsyncExecutionStream(EventFlow(self.api, begin, session=self._new_session(session_id)), self._run)

    def watch(self, execution_id: str, after: Optional[str] = None) -> AsyncExecutionStream:
        """The events of a run that someone has started, from its first on or behind the event `after`. Leaving it does not end the run."""
        return AsyncExecutionStream(EventFlow(self.api, None, execution_id, after), self._run).detach()

    async def start(self, code: str, session_id: Optional[str] = None, **options: "Unpack[RunOptions]") -> Dict[str, Any]:
        """Runs in the background: {"executionId", "sessionId", "status"}."""
        await asyncio.get_running_loop().run_in_executor(None, self._prepare)
        return dict(await self._run(self._start(calls.run_body(code, session_id, **options), session_id)))

    async def get_execution(self, execution_id: str) -> Dict[str, Any]:
        """{"status": "running" or a final one, "result": ...}"""
        return dict(await self._ask(calls.execution(execution_id)))

    async def cancel(self, execution_id: str) -> bool:
        """Interrupts it; the session keeps its state. Returns whether it was still running."""
        return bool((await self._ask(calls.execution(execution_id, method="DELETE"))).get("success"))

    async def send_input(self, execution_id: str, text: str) -> None:
        """Answers input()."""
        await self._ask(calls.execution(execution_id, "/input", "POST", {"text": text}))

    # ---- the service ----

    async def validate(self, code: str, strict: bool = False) -> Dict[str, Any]:
        return dict(await self._ask(Call("POST", "/api/v1/validate", {"code": code, "strict": strict})))

    async def health(self) -> Dict[str, Any]:
        return dict(await self._ask(Call("GET", "/health")))

    async def list_packages(self, search: Optional[str] = None) -> List[Dict[str, Any]]:
        return list((await self._ask(Call("GET", "/api/v1/packages", query={"search": search})))["packages"])

    def close(self) -> None:
        """Closes the connections; the client can go on being used."""
        driver, self._driver = self._driver, None
        if driver is not None:
            driver.close()

    async def __aenter__(self) -> "AsyncSandboxClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
