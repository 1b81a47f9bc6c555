"""Anthropic's tool use (messages), carried out in the sandbox; figures go back to the model as images.

    python anthropic_tools.py                          # a rehearsal: a scripted model, no network
    ANTHROPIC_API_KEY=... python anthropic_tools.py    # with the anthropic package and a real one
"""

from __future__ import annotations

import os
from typing import Any, Dict, List, Tuple

from anthropic_messages import Call, Message, converse, image_block, real_model, text_block
from sandbox_tools import TOOLS, Toolbox

ANTHROPIC_TOOLS = [{"name": tool["name"], "description": tool["description"], "input_schema": tool["parameters"]} for tool in TOOLS]


def carry_out(toolbox: Toolbox) -> Call:
    def call(name: str, arguments: Dict[str, Any]) -> Tuple[List[Dict[str, Any]], bool]:
        answer = toolbox.call(name, arguments)
        return [text_block(answer.text), *(image_block("image/png", image) for image in answer.images)], answer.is_error

    return call


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
        print(converse(create, ANTHROPIC_TOOLS, carry_out(toolbox), [{"role": "user", "content": "Plot 1, 4, 9 and give me their sum."}]))


if __name__ == "__main__":
    main()
