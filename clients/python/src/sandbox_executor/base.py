"""What both clients have in common: their settings, and where the service is."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Tuple

from . import calls
from .api import Answer, Api, Call, Patience
from .calls import FileContent
from .config import ClientConfig, ExecutionMode
from .effects import Flow
from .http1 import Origin, parse_origin
from .local import local_server
from .result import ExecutionResult
from .stream import in_session

MEMORY_MIN = 64 * 1024 * 1024  # bytes; the least that the service takes for a session
_CUT = "\n... (output truncated)"


class BaseClient:
    def __init__(self, config: ClientConfig) -> None:
        self.config = config
        self._patience = Patience(api_timeout=config.api_timeout)
        self._place: Optional[Tuple[Origin, Api]] = None
        if config.server_url is not None:
            self._place = (parse_origin(config.server_url), Api(config.api_key, self._patience))

    @property
    def is_local(self) -> bool:
        return self.config.server_url is None

    @property
    def is_remote(self) -> bool:
        return not self.is_local

    def get_mode_info(self) -> Dict[str, Any]:
        config = self.config
        info: Dict[str, Any] = {"execution_type": "local" if self.is_local else "remote", "timeout": config.timeout, "allow_network": config.allow_network,
                                "mode": config.mode.value, "max_memory_mb": config.max_memory_mb}
        if self.is_remote:
            info["server_url"] = config.server_url
        return info

    def _prepare(self) -> None:
        """Local mode: the service is there. It may take a second the first time, and blocks for it."""
        if not self.is_local:
            return
        server = local_server(self.config.program)
        origin = parse_origin(server.url)
        if self._place is None or self._place[0] != origin:
            self._place = (origin, Api(server.key, self._patience))

    @property
    def origin(self) -> Origin:
        assert self._place is not None
        return self._place[0]

    @property
    def api(self) -> Api:
        if self._place is None:
            self._prepare()
        assert self._place is not None
        return self._place[1]

    def _new_session(self, session_id: Optional[str]) -> Optional[Call]:
        """For a run that is given no session: one as this client's settings say."""
        if session_id is not None:
            return None
        return calls.create_session(policy=self.config.mode.profile, allow_network=self.config.allow_network or None)

    def _start(self, body: Dict[str, Any], session_id: Optional[str]) -> Flow[Answer]:
        begin = yield from in_session(self.api, calls.start(body), self._new_session(session_id))
        answer = yield from self.api.json(begin)
        return answer

    # ---- what secure-python-sandbox's methods need ----

    def _once(self, code: str, files: Mapping[str, FileContent], timeout: Optional[float], allow_network: Optional[bool]) -> Flow[ExecutionResult]:
        config = self.config
        network = config.allow_network if allow_network is None else allow_network
        session = calls.create_session(policy=config.mode.profile, allow_network=network or None,
                                       resources={"memory": max(MEMORY_MIN, config.max_memory_mb * 1024 * 1024)})
        body = calls.run_body(code, timeout=config.timeout if timeout is None else timeout, allow_network=network or None)
        return calls.run_once(self.api, body, session, files)

    def _finish(self, result: ExecutionResult) -> ExecutionResult:
        result.stdout, result.stderr = self._fit(result.stdout.strip()), self._fit(result.stderr.strip())
        return result

    def _fit(self, text: str) -> str:
        limit = self.config.max_output_size
        return text if len(text) <= limit else text[:limit] + _CUT

    def _validation(self, code: str) -> Call:
        secure = self.config.mode is ExecutionMode.SECURE
        return Call("POST", "/api/v1/validate" if secure else "/api/v1/validate/syntax", {"code": code or "\n"})

    @staticmethod
    def _verdict(answer: Mapping[str, Any]) -> Tuple[bool, Optional[str]]:
        problems = answer.get("errors") or [issue for issue in answer.get("issues", []) if issue.get("type") == "error"]
        if not problems and answer.get("security", {}).get("allowed", True):
            return True, None
        return False, str(problems[0].get("message") if problems else (answer["security"].get("violations") or ["refused by policy"])[0])
