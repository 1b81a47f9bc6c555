"""Anthropic's tool use (messages), carried out in the sandbox; figures go back to the model as images.

    python anthropic_tools.py                          # a rehearsal: a scripted model, no network
    ANTHROPIC_API_KEY=... python anthropic_tools.py    # with the anthropic package and a real one
"""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, List

from sandbox_tools import TOOLS, Toolbox

ANTHROPIC_TOOLS = [{"name": tool["name"], "description": tool["description"], "input_schema": tool["parameters"]} for tool in TOOLS]
Message = Dict[str, Any]


def tool_results(toolbox: Toolbox, content: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """The tool_result blocks for a message's tool_use blocks."""
    results = []
    for block in content:
        if block["type"] != "tool_use":
            continue
        answer = toolbox.call(block["name"], block["input"])
        parts: List[Dict[str, Any]] = [{"type": "text", "text": answer.text}]
        parts += [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": image}} for image in answer.images]
        results.append({"type": "tool_result", "tool_use_id": block["id"], "content": parts, "is_error": answer.is_error})
    return results


def converse(create: Callable[..., Message], toolbox: Toolbox, messages: List[Message], rounds: int = 10) -> str:
    """`create(messages=, tools=)` returns the model's next message as a dict. Returns its last words."""
    for _ in range(rounds):
        message = create(messages=messages, tools=ANTHROPIC_TOOLS)
        messages.append({"role": "assistant", "content": message["content"]})
        results = tool_results(toolbox, message["content"])
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


def rehearsal(messages: List[Message], tools: List[Dict[str, Any]]) -> Message:
    """Stands in for a model: makes a mistake, sees the error, does it right with a figure, and says what it got."""
    codes = ["undefined_name", "import matplotlib.pyplot as plt\nvalues = [1, 4, 9]\nplt.plot(values)\nplt.show()\nsum(values)"]
    told = [m["content"][0] for m in messages if m["role"] == "user" and isinstance(m["content"], list)]
    if len(told) < len(codes):
        use = {"type": "tool_use", "id": f"toolu_{len(told)}", "name": tools[0]["name"], "input": {"code": codes[len(told)]}}
        return {"role": "assistant", "content": [{"type": "text", "text": "Let me see."}, use]}
    kinds = [part["type"] for part in told[1]["content"]]
    return {"role": "assistant", "content": [{"type": "text", "text": f"First an error ({told[0]['is_error']}), then {kinds}: {told[1]['content'][0]['text']}"}]}


def main() -> None:
    create = real_model() if os.environ.get("ANTHROPIC_API_KEY") else rehearsal
    with Toolbox() as toolbox:
        print(converse(create, toolbox, [{"role": "user", "content": "Plot 1, 4, 9 and give me their sum."}]))


if __name__ == "__main__":
    main()
