"""An agent over the Model Context Protocol: whatever tools the server has are handed to the model, whose calls go back to it. Nothing but Python is needed.

    python mcp_agent.py                                       # starts `penny-sandbox mcp`, with a jail of its own
    SANDBOX_URL=http://localhost:3003 python mcp_agent.py     # the same on a server's sessions
    ANTHROPIC_API_KEY=... python mcp_agent.py                 # with the anthropic package and a real model
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any, Callable, Dict, List, Tuple

from anthropic_messages import Call, Message, converse, image_block, real_model, text_block


class McpError(Exception):
    """The server refused a request."""


class McpServer:
    """An MCP server on the standard input and output of a process. `with McpServer() as server:`"""

    def __init__(self, command: List[str] | None = None) -> None:
        program = os.environ.get("PENNY_SANDBOX", "penny-sandbox")
        self._process = subprocess.Popen(command or [program, "mcp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
        self._number = 0
        client = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "mcp-agent-example", "version": "1.0"}}
        self.about = self.ask("initialize", client)
        self._send({"method": "notifications/initialized"})

    def _send(self, message: Message) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self._process.stdin.flush()

    def ask(self, method: str, params: Dict[str, Any] | None = None, on_progress: Callable[[str], None] | None = None) -> Dict[str, Any]:
        """One request, answered. `on_progress` is told what the code prints while it runs."""
        self._number += 1
        params = dict(params or {})
        if on_progress is not None:
            params["_meta"] = {"progressToken": self._number}
        self._send({"id": self._number, "method": method, "params": params})
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            if message.get("method") == "notifications/progress" and on_progress is not None:
                on_progress(message["params"].get("message", ""))
            if message.get("id") != self._number:
                continue
            if "error" in message:
                raise McpError(message["error"]["message"])
            return dict(message["result"])
        raise McpError("the server has ended")

    def close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(60)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> McpServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def block_of(item: Dict[str, Any]) -> Dict[str, Any]:
    """One item of a tool's answer as a content block for the model."""
    if item["type"] == "image":
        return image_block(item["mimeType"], item["data"])
    return text_block(item["text"] if item["type"] == "text" else json.dumps(item))


def carry_out(server: McpServer) -> Call:
    def call(name: str, arguments: Dict[str, Any]) -> Tuple[List[Dict[str, Any]], bool]:
        try:
            answer = server.ask("tools/call", {"name": name, "arguments": arguments}, on_progress=lambda text: print(text, end="", flush=True))
        except McpError as error:
            return [text_block(str(error))], True
        return [block_of(item) for item in answer["content"]], bool(answer.get("isError"))

    return call


def tools_of(server: McpServer) -> List[Dict[str, Any]]:
    listed = server.ask("tools/list")["tools"]
    return [{"name": tool["name"], "description": tool["description"], "input_schema": tool["inputSchema"]} for tool in listed]


STEPS = [
    ("run_code", {"code": "values = [1, 4, 9]\nprint('three values')\nsum(values)"}),
    ("checkpoint", {"name": "before"}),
    ("run_code", {"code": "values.clear()\n1 / 0"}),
    ("rollback", {"checkpointId": "before"}),
    ("run_code", {"code": "sum(values)"}),
]


def rehearsal(messages: List[Message], tools: List[Dict[str, Any]]) -> Message:
    """Stands in for a model: computes, makes a checkpoint, ruins what it has, goes back, and says what is there again."""
    assert {name for name, _ in STEPS} <= {tool["name"] for tool in tools}
    told = [m["content"][0] for m in messages if m["role"] == "user" and isinstance(m["content"], list)]
    if len(told) < len(STEPS):
        name, arguments = STEPS[len(told)]
        return {"role": "assistant", "content": [{"type": "tool_use", "id": f"toolu_{len(told)}", "name": name, "input": arguments}]}
    errors = [step[0] for step, result in zip(STEPS, told) if result["is_error"]]
    return {"role": "assistant", "content": [{"type": "text", "text": f"One error ({', '.join(errors)}), and after the rollback: {told[-1]['content'][0]['text']}"}]}


def main() -> None:
    create = real_model() if os.environ.get("ANTHROPIC_API_KEY") else rehearsal
    with McpServer() as server:
        print(converse(create, tools_of(server), carry_out(server), [{"role": "user", "content": "Sum 1, 4, 9, carefully."}]))


if __name__ == "__main__":
    main()
