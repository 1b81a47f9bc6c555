"""LangChain's tools, carried out in the sandbox.

With langchain-core installed langchain_tools() gives its StructuredTools, for bind_tools(), agents and graphs; without it, tools that have the same
interface where it matters: name, description, args_schema, invoke(), ainvoke(), run().

    python langchain_tool.py
"""

from __future__ import annotations

import asyncio
from typing import Any, Callable, Dict, List, Mapping, Optional, Union

from sandbox_tools import TOOLS, Toolbox

Input = Union[str, Mapping[str, Any]]


class PlainTool:
    """LangChain's tool interface, by its shape."""

    return_direct = False

    def __init__(self, name: str, description: str, args_schema: Dict[str, Any], function: Callable[..., str]) -> None:
        self.name, self.description, self.args_schema, self._function = name, description, args_schema, function

    @property
    def args(self) -> Dict[str, Any]:
        return dict(self.args_schema["properties"])

    def invoke(self, input: Input, config: Optional[Any] = None, **_: Any) -> Any:
        """The arguments, a bare string for the first of them, or a ToolCall; the last is answered with a tool message."""
        if isinstance(input, str):
            return self._function(**{self.args_schema["required"][0]: input})
        if input.get("type") == "tool_call":
            return {"role": "tool", "tool_call_id": input["id"], "name": self.name, "content": self._function(**input["args"])}
        return self._function(**input)

    async def ainvoke(self, input: Input, config: Optional[Any] = None, **more: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(None, lambda: self.invoke(input, config, **more))

    def run(self, tool_input: Input, **_: Any) -> Any:
        return self.invoke(tool_input)


def langchain_tools(toolbox: Toolbox) -> List[Any]:
    """One tool for each of TOOLS. They share the toolbox's session."""
    try:
        from langchain_core.tools import StructuredTool  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        StructuredTool = None

    def function_of(name: str) -> Callable[..., str]:
        return lambda **arguments: toolbox.call(name, arguments).text

    tools: List[Any] = []
    for tool in TOOLS:
        name, description, schema = tool["name"], tool["description"], tool["parameters"]
        if StructuredTool is None:
            tools.append(PlainTool(name, description, schema, function_of(name)))
        else:
            tools.append(StructuredTool.from_function(func=function_of(name), name=name, description=description, args_schema=schema))
    return tools


def main() -> None:
    with Toolbox() as toolbox:
        run_python, write_file, read_file = langchain_tools(toolbox)
        print(write_file.invoke({"path": "sales.csv", "content": "month,amount\n1,10\n2,32\n"}))
        print(run_python.invoke({"code": "import pandas as pd\ndf = pd.read_csv('sales.csv')\nint(df.amount.sum())"}))
        print(run_python.invoke({"code": "df.describe().to_csv('summary.csv')"}))
        print(read_file.invoke({"path": "summary.csv"}).splitlines()[0])


if __name__ == "__main__":
    main()
