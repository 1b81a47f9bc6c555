"""OpenAI's tool calls (chat completions), carried out in the sandbox.

    python openai_tools.py                       # a rehearsal: a scripted model, no network
    OPENAI_API_KEY=... python openai_tools.py    # with the openai package and a real one
"""

from __future__ import annotations

import json
import os
from typing import Any, Callable, Dict, List

from sandbox_tools import TOOLS, Toolbox

OPENAI_TOOLS = [{"type": "function", "function": tool} for tool in TOOLS]
Message = Dict[str, Any]


def tool_messages(toolbox: Toolbox, message: Message) -> List[Message]:
    """The answers to a message's tool calls."""
    answers = []
    for call in message.get("tool_calls") or []:
        try:
            arguments = json.loads(call["function"]["arguments"] or "{}")
        except ValueError as error:
            text = f"The arguments are not JSON: {error}"
        else:
            answer = toolbox.call(call["function"]["name"], arguments)
            text = answer.text + (f"\n({len(answer.images)} figures were shown to the user.)" if answer.images else "")
        answers.append({"role": "tool", "tool_call_id": call["id"], "content": text})
    return answers


def converse(create: Callable[..., Message], toolbox: Toolbox, messages: List[Message], rounds: int = 10) -> str:
    """`create(messages=, tools=)` returns the model's next message as a dict. Returns its last word."""
    for _ in range(rounds):
        message = create(messages=messages, tools=OPENAI_TOOLS)
        messages.append(message)
        answers = tool_messages(toolbox, message)
        if not answers:
            return str(message["content"])
        messages += answers
    raise RuntimeError(f"no end after {rounds} rounds")


def real_model() -> Callable[..., Message]:
    from openai import OpenAI  # type: ignore[import-not-found]

    client = OpenAI()

    def create(**arguments: Any) -> Message:
        answer = client.chat.completions.create(model=os.environ.get("OPENAI_MODEL", "gpt-4o-mini"), **arguments)
        return dict(answer.choices[0].message.model_dump(exclude_none=True))

    return create


def rehearsal(messages: List[Message], tools: List[Dict[str, Any]]) -> Message:
    """Stands in for a model: computes in two calls, of which the second uses a variable of the first, and repeats what it was told."""
    codes = ["import numpy as np\nsquares = np.arange(1, 11) ** 2", "int(squares.sum())"]
    told = [m["content"] for m in messages if m["role"] == "tool"]
    if len(told) < len(codes):
        function = {"name": tools[0]["function"]["name"], "arguments": json.dumps({"code": codes[len(told)]})}
        return {"role": "assistant", "content": None, "tool_calls": [{"id": f"call_{len(told)}", "type": "function", "function": function}]}
    return {"role": "assistant", "content": f"I was told: {told[-1]}"}


def main() -> None:
    create = real_model() if os.environ.get("OPENAI_API_KEY") else rehearsal
    with Toolbox() as toolbox:
        print(converse(create, toolbox, [{"role": "user", "content": "What is the sum of the first ten squares? Compute it."}]))


if __name__ == "__main__":
    main()
