"""Settings: given, from the environment, or from a .env file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum
from typing import Dict, Mapping, Optional, Union

from .errors import SandboxException


class ExecutionMode(str, Enum):
    """SECURE: the import policy of the service holds (its profile `standard`). SIMPLE: any import (`open`). The jail is the same."""

    SIMPLE = "simple"
    SECURE = "secure"

    @property
    def profile(self) -> str:
        return "standard" if self is ExecutionMode.SECURE else "open"


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise SandboxException(f"{name} must be from {low:g} to {high:g}, which {value!r} is not", "BAD_CONFIG")


@dataclass
class ClientConfig:
    """Seconds, megabytes, bytes. server_url None: local mode."""

    server_url: Optional[str] = None
    timeout: float = 30
    allow_network: bool = False
    mode: ExecutionMode = ExecutionMode.SECURE
    max_memory_mb: int = 128
    max_output_size: int = 1024 * 1024
    api_timeout: float = 60
    api_key: Optional[str] = None
    program: Optional[str] = None  # local mode: the penny-sandbox program; None: looked for

    def __post_init__(self) -> None:
        self.mode = ExecutionMode(self.mode)
        _check("timeout", self.timeout, 0.001, 300)
        _check("max_memory_mb", self.max_memory_mb, 16, 2048)
        _check("max_output_size", self.max_output_size, 1024, 10 * 1024 * 1024)

    @classmethod
    def from_env(cls, env_file: Union[str, "os.PathLike[str]", None] = ".env") -> "ClientConfig":
        """SANDBOX_MODE, SANDBOX_TIMEOUT, ...; what the environment lacks is looked for in env_file, should it exist."""
        values: Dict[str, str] = {**(read_env_file(env_file) if env_file is not None else {}), **os.environ}
        config = cls(server_url=values.get("SANDBOX_URL") or None, api_key=values.get("SANDBOX_API_KEY") or None)
        try:
            config.mode = ExecutionMode(values.get("SANDBOX_MODE", config.mode.value).lower())
            config.timeout = float(values.get("SANDBOX_TIMEOUT", config.timeout))
            config.api_timeout = float(values.get("SANDBOX_API_TIMEOUT", config.api_timeout))
            config.max_memory_mb = int(values.get("SANDBOX_MAX_MEMORY_MB", config.max_memory_mb))
            config.max_output_size = int(values.get("SANDBOX_MAX_OUTPUT_SIZE", config.max_output_size))
        except ValueError as error:
            raise SandboxException(f"A setting in the environment is not accepted: {error}", "BAD_CONFIG") from None
        config.allow_network = values.get("SANDBOX_ALLOW_NETWORK", "false").lower() in ("1", "true", "yes", "on")
        config.program = values.get("PENNY_SANDBOX") or None
        config.__post_init__()
        return config


def read_env_file(path: "Union[str, os.PathLike[str]]") -> Mapping[str, str]:
    """NAME=VALUE lines; quotes and comments as usual. A file that is not there has none."""
    values: Dict[str, str] = {}
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return values
    for line in lines:
        name, equals, value = line.strip().partition("=")
        name = name[7:].strip() if name.startswith("export ") else name.strip()
        if not equals or not name or name.startswith("#"):
            continue
        value = value.strip()
        if value[:1] in ("'", '"') and value.find(value[0], 1) > 0:
            value = value[1 : value.index(value[0], 1)]
        else:
            value = value.split(" #")[0].strip()
        values[name] = value
    return values
