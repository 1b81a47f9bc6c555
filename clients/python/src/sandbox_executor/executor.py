"""SandboxExecutor and SandboxConfig: secure-python-sandbox's names for local mode alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional, Sequence, Tuple

from .calls import FileContent
from .client import SandboxClient
from .config import ClientConfig, ExecutionMode
from .result import ExecutionResult


@dataclass
class SandboxConfig(ClientConfig):
    """max_cpu_time and allowed_modules are taken and not used: the time limit and the service's policy hold."""

    max_cpu_time: float = 30
    allowed_modules: Optional[Sequence[str]] = None


class SandboxExecutor:
    """Always local. Each execution has a session, and so a working directory, of its own."""

    def __init__(self, mode: ExecutionMode = ExecutionMode.SECURE, timeout: float = 30, allow_network: bool = False, max_output_size: int = 1024 * 1024,
                 max_memory_mb: int = 128, max_cpu_time: float = 30, allowed_modules: Optional[Sequence[str]] = None) -> None:
        self.config = SandboxConfig(mode=mode, timeout=timeout, allow_network=allow_network, max_output_size=max_output_size, max_memory_mb=max_memory_mb,
                                    max_cpu_time=max_cpu_time, allowed_modules=allowed_modules)
        self._client = SandboxClient.from_config(self.config)

    @classmethod
    def from_config(cls, config: ClientConfig) -> "SandboxExecutor":
        more: Mapping[str, Any] = {name: getattr(config, name) for name in ("max_cpu_time", "allowed_modules") if hasattr(config, name)}
        return cls(config.mode, config.timeout, config.allow_network, config.max_output_size, config.max_memory_mb, **more)

    @classmethod
    def from_env(cls, env_file: Optional[str] = ".env") -> "SandboxExecutor":
        return cls.from_config(ClientConfig.from_env(env_file))

    def execute(self, code: str, input_files: Optional[Mapping[str, FileContent]] = None, timeout: Optional[float] = None,
                allow_network: Optional[bool] = None) -> ExecutionResult:
        return self._client.execute(code, input_files, timeout, allow_network)

    def validate_code(self, code: str) -> Tuple[bool, Optional[str]]:
        return self._client.validate_code(code)
