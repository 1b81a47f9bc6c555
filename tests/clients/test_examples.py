"""The examples for agents: as scripts, in both modes, and piece by piece."""

import asyncio
import json
import os
import subprocess
import sys

import pytest
from harness import ROOT
from sandbox_executor import SandboxClient

EXAMPLES = ROOT / "clients" / "examples"
sys.path.insert(0, str(EXAMPLES))

import anthropic_tools  # noqa: E402
import langchain_tool  # noqa: E402
import openai_tools  # noqa: E402
import sandbox_tools  # noqa: E402


@pytest.fixture
def toolbox(server):
    with sandbox_tools.Toolbox(SandboxClient(server.url)) as toolbox:
        yield toolbox


@pytest.mark.parametrize("mode", ["remote", "local"])
@pytest.mark.parametrize("name,expected", [
    ("openai_tools", "I was told: Value: 385\n"), ("anthropic_tools", "First an error (True), then ['text', 'image']: Value: 14\n"),
    ("langchain_tool", "sales.csv is written.\nValue: 42\nFiles written: summary.csv\n,month,amount\n"),
    ("mcp_agent", "three values\nOne error (run_code), and after the rollback: 14\n")])
def test_each_runs_as_a_script(server, tmp_path, name, mode, expected):
    env = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY")}
    env |= {"SANDBOX_URL": server.url} if mode == "remote" else {}
    bare = name == "mcp_agent"  # which needs no package
    env |= {} if bare else {"PYTHONPATH": str(ROOT / "clients/python/src")}
    done = subprocess.run([sys.executable, *(["-S"] if bare else []), str(EXAMPLES / f"{name}.py")], capture_output=True, text=True, timeout=100, env=env, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")


def test_what_a_model_does_wrong_is_an_answer(toolbox):
    for name, arguments, part in (("none", {}, "no tool"), ("run_python", {}, "'code'"), ("run_python", {"code": "1", "timeout": "soon"}, "ValueError"), ("read_file", {"path": "none"}, "NotFound"),
                                  ("read_file", {"path": "../x"}, "SandboxException"), ("run_python", {"code": "1", "timeout": 10**6}, "ValidationError"),
                                  ("run_python", {"code": "while True: pass", "timeout": 0.2}, "timed out"), ("run_python", {"code": "import os; os._exit(1)"}, "died")):
        answer = toolbox.call(name, arguments)
        assert answer.is_error and part in answer.text, (name, answer)
    assert toolbox.call("run_python", {"code": "pass"}).text == "(no output)"


def test_a_long_answer_is_cut_in_the_middle(toolbox):
    text = toolbox.call("run_python", {"code": "print('a' * 100_000 + 'z')"}).text
    assert len(text) < 21_000 and text.startswith("aaa") and text.endswith("z") and "left out" in text


def test_schemas():
    for tool in sandbox_tools.TOOLS:
        assert set(tool["parameters"]["required"]) <= set(tool["parameters"]["properties"])
    assert [t["function"]["name"] for t in openai_tools.OPENAI_TOOLS] == [t["name"] for t in anthropic_tools.ANTHROPIC_TOOLS]
    json.dumps([openai_tools.OPENAI_TOOLS, anthropic_tools.ANTHROPIC_TOOLS])


def test_openai_s_messages(toolbox):
    calls = [{"id": "a", "function": {"name": "run_python", "arguments": '{"code": "1+1"}'}}, {"id": "b", "function": {"name": "run_python", "arguments": "{"}}]
    one, two = openai_tools.tool_messages(toolbox, {"tool_calls": calls})
    assert one == {"role": "tool", "tool_call_id": "a", "content": "Value: 2"} and "not JSON" in two["content"] and two["tool_call_id"] == "b"
    assert openai_tools.tool_messages(toolbox, {"content": "x"}) == []


def test_langchain_s_interface(toolbox):
    run_python = langchain_tool.langchain_tools(toolbox)[0]
    assert run_python.name == "run_python" and "code" in run_python.args and run_python.description
    assert run_python.invoke({"code": "x = 20"}) == "(no output)" and run_python.run({"code": "x + 1"}) == "Value: 21"
    assert asyncio.run(run_python.ainvoke({"code": "x + 2"})) == "Value: 22"
    answered = run_python.invoke({"type": "tool_call", "id": "c", "name": "run_python", "args": {"code": "x"}})
    content = answered["content"] if isinstance(answered, dict) else answered.content
    assert content == "Value: 20"
