"""What the examples beside this file share: three tools for an agent, as JSON Schema, and what carries their calls out.

A Toolbox is one session: variables, imports and files of one call are there in the next.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional

from sandbox_executor import ExecutionResult, SandboxClient, SandboxException

TEXT_MAX = 20_000  # characters of one answer: a model's context is not for a million lines

TOOLS: List[Dict[str, Any]] = [
    {
        "name": "run_python",
        "description": "Run Python in a persistent, isolated session and return what it printed, the value of its last expression and its error, if any. Variables, imports "
        "and files stay for the next call. numpy, pandas and matplotlib are there; there is no network. Figures shown with plt.show() are returned as images.",
        "parameters": {
            "type": "object",
            "properties": {
                "code": {"type": "string", "description": "The program. The value of a last expression is shown."},
                "timeout": {"type": "number", "description": "Seconds after which it is interrupted.", "minimum": 0.1, "maximum": 300},
            },
            "required": ["code"],
            "additionalProperties": False,
        },
    },
    {
        "name": "write_file",
        "description": "Write a text file into the session's working directory, where run_python finds it.",
        "parameters": {
            "type": "object",
            "properties": {"path": {"type": "string"}, "content": {"type": "string"}},
            "required": ["path", "content"],
            "additionalProperties": False,
        },
    },
    {
        "name": "read_file",
        "description": "Read a text file of the session's working directory.",
        "parameters": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"], "additionalProperties": False},
    },
]


@dataclass
class Answer:
    """What a model is told."""

    text: str
    is_error: bool = False
    images: List[str] = field(default_factory=list)  # PNG, base64


class Toolbox:
    """Carries out calls. `with Toolbox(client) as toolbox:`; the session is gone afterwards."""

    def __init__(self, client: Optional[SandboxClient] = None, timeout: float = 30) -> None:
        self._client = client or SandboxClient.from_env()
        self._session = self._client.create_session(policy="open")
        self._timeout = timeout

    def call(self, name: str, arguments: Mapping[str, Any]) -> Answer:
        """Never raises for what a model did wrong: it is told, and can do better."""
        try:
            if name == "run_python":
                result = self._session.execute(str(arguments["code"]), timeout=float(arguments.get("timeout") or self._timeout), include_variables=False)
                return answer_of(result)
            if name == "write_file":
                self._session.write_file(str(arguments["path"]), str(arguments["content"]))
                return Answer(f"{arguments['path']} is written.")
            if name == "read_file":
                return Answer(shorten(self._session.read_file(str(arguments["path"])).decode("utf-8", "replace")))
            return Answer(f"There is no tool {name}.", True)
        except KeyError as missing:
            return Answer(f"{name} needs the argument {missing}.", True)
        except (SandboxException, ValueError) as error:
            return Answer(f"{type(error).__name__}: {error}", True)

    def close(self) -> None:
        self._session.delete()

    def __enter__(self) -> "Toolbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def answer_of(result: ExecutionResult) -> Answer:
    parts = [result.stdout, result.stderr]
    if result.value is not None:
        parts.append(f"Value: {result.value}")
    if result.state != "kept":
        parts.append("The interpreter died: variables are " + ("as before this call." if result.state == "rolledBack" else "lost; files are still there."))
    if result.artifacts:
        parts.append("Files written: " + ", ".join(str(a["path"]) for a in result.artifacts))
    text = "\n".join(part.rstrip("\n") for part in parts if part) or "(no output)"
    return Answer(shorten(text), not result.success, [plot["data"] for plot in result.plots if plot.get("format") == "png" and plot.get("data")])


def shorten(text: str) -> str:
    if len(text) <= TEXT_MAX:
        return text
    half = TEXT_MAX // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"
