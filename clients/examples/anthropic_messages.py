"""Anthropic's messages with tool use, whoever carries the calls out: what `anthropic_tools.py` and `mcp_agent.py` share."""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, List, Tuple

Message = Dict[str, Any]
Call = Callable[[str, Dict[str, Any]], Tuple[List[Dict[str, Any]], bool]]  # (name, arguments): content blocks, and whether it is an error


def text_block(text: str) -> Dict[str, Any]:
    return {"type": "text", "text": text}


def image_block(media_type: str, data: str) -> Dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


def tool_results(call: Call, content: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """The tool_result blocks for a message's tool_use blocks."""
    results = []
    for block in content:
        if block["type"] == "tool_use":
            parts, is_error = call(block["name"], block["input"])
            results.append({"type": "tool_result", "tool_use_id": block["id"], "content": parts, "is_error": is_error})
    return results


def converse(create: Callable[..., Message], tools: List[Dict[str, Any]], call: Call, messages: List[Message], rounds: int = 10) -> str:
    """`create(messages=, tools=)` returns the model's next message as a dict. Returns its last words."""
    for _ in range(rounds):
        message = create(messages=messages, tools=tools)
        messages.append({"role": "assistant", "content": message["content"]})
        results = tool_results(call, message["content"])
        if not results:
            return "".join(block["text"] for block in message["content"] if block["type"] == "text")
        messages.append({"role": "user", "content": results})
    raise RuntimeError(f"no end after {rounds} rounds")


def real_model() -> Callable[..., Message]:
    from anthropic import Anthropic  # type: ignore[import-not-found]

    client = Anthropic()

    def create(**arguments: Any) -> Message:
        return dict(client.messages.create(model=os.environ.get("ANTHROPIC_MODEL", "claude-sonnet-4-5"), max_tokens=2000, **arguments).model_dump())

    return create
