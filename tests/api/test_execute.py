"""POST /api/v1/execute: what goes in, what comes out."""

import base64
import json
import uuid

import pytest


def error_of(result, status="error"):
    assert result["success"] is False and result["status"] == status, result
    return result["error"]


def test_memory_of_the_session_is_told(client, session):
    assert client.execute("x = bytearray(b'x') * 60_000_000", session)["metrics"]["memoryUsage"] > 50_000_000
    freed = client.execute("del x", session)["metrics"]
    assert freed["memoryUsage"] < 50_000_000 < 2**20 + client.execute("y = bytearray(b'x') * 60_000_000; del y", session)["metrics"]["memoryPeak"]


def test_the_whole_result(client):
    result = client.execute("print('out')\nimport sys\nprint('err', file=sys.stderr)\n6 * 7")
    assert result["success"] is True and result["status"] == "ok"
    assert uuid.UUID(result["sessionId"]) and uuid.UUID(result["executionId"])
    assert result["executionCount"] == 1
    assert result["output"]["stdout"] == "out\n" and result["output"]["stderr"] == "err\n"
    main = [r for r in result["output"]["results"] if r["isMainResult"]]
    assert len(main) == 1 and main[0]["data"]["text/plain"] == "42"
    assert result["state"] == "kept"
    metrics = result["metrics"]
    assert metrics["executionTime"] > 0 and metrics["memoryUsage"] >= 0
    assert metrics["cpuUser"] >= 0 and metrics["cpuSystem"] >= 0 and metrics["queued"] >= 0
    assert "error" not in result or not result["error"]
    client.delete_session(result["sessionId"])


def test_penny_s_own_example(client):
    session = str(uuid.uuid4())
    result = client.execute("import numpy as np\nprint(np.array([1, 2, 3]))", session, timeout=30000, packages=["numpy"], variables={"x": 42})
    assert result["success"] and result["output"]["stdout"] == "[1 2 3]\n"
    assert result["sessionId"] == session, "an unknown id makes a session with that id"
    assert client.stdout("print(x)", session) == "42\n"
    client.delete_session(session)


def test_state_persists_in_a_session_and_not_between(client):
    one, two = client.session(), client.session()
    client.stdout("import math\nx = 1\ndef f(): return x + 1\nclass C: pass\nc = C()\ng = (i for i in range(9))\nnext(g)", one)
    assert client.stdout("x += 1; print(x, f(), math.pi > 3, type(c).__name__, next(g))", one) == "2 3 True C 1\n"
    assert client.stdout("print([n for n in ('x', 'f', 'C', 'c', 'g') if n in globals()])", two) == "[]\n"
    for session in (one, two):
        client.delete_session(session)


def test_execution_count(client, session):
    assert [client.execute("1", session)["executionCount"] for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("code,text", [
    ("1 + 1", "2"), ("'a'", "'a'"), ("x = 3\nx", "3"), ("[1, 2]", "[1, 2]"), ("None", None), ("1;", None), ("x = 1", None),
    ("if True:\n    5", None), ("import math\nmath.pi", "3.141592653589793"), ("(lambda: 9)()", "9"), ("'é😀'", "'é😀'"),
])
def test_the_value_of_a_last_expression(client, code, text):
    result = client.execute(code)
    main = [r["data"]["text/plain"] for r in result["output"]["results"] if r["isMainResult"]]
    assert main == ([] if text is None else [text])
    client.delete_session(result["sessionId"])


def test_rich_results(client, session):
    def data(code):
        return client.execute(code, session)["output"]["results"][-1]["data"]

    frame = data("import pandas as pd\npd.DataFrame({'a': [1, 2]})")
    assert "<table" in frame["text/html"] and "text/plain" in frame
    assert "<svg" in data("from IPython.display import SVG\nSVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>')")["image/svg+xml"]
    assert data("from IPython.display import JSON\nJSON({'a': 1})")["application/json"] == {"a": 1}
    assert data("from IPython.display import Latex\nLatex('$x$')")["text/latex"] == "$x$"
    assert data("from IPython.display import HTML\nHTML('<b>x</b>')")["text/html"] == "<b>x</b>"
    image = data("from PIL import Image\nImage.new('RGB', (3, 2))")["image/png"]
    assert base64.b64decode(image).startswith(b"\x89PNG")
    assert data("class R:\n    def _repr_markdown_(self): return '# hi'\nR()")["text/markdown"] == "# hi"


def test_display_is_in_results_in_order(client, session):
    result = client.execute("from IPython.display import display\ndisplay(1)\ndisplay('two')\n3", session)
    assert [(r["data"]["text/plain"], r["isMainResult"]) for r in result["output"]["results"]] == [("1", False), ("'two'", False), ("3", True)]


def test_plotly_has_its_own_type(client, session):
    result = client.execute("import plotly.graph_objects as go\nfig = go.Figure(go.Bar(y=[1, 2]))\nfig", session)
    if "ModuleNotFoundError" in str(result.get("error")):
        pytest.skip("plotly is not in runtime/requirements.txt")
    assert any("application/vnd.plotly.v1+json" in r["data"] for r in result["output"]["results"]), result


@pytest.mark.parametrize("end", ["plt.show()", "pass"])
def test_figures_shown_or_left_open(client, session, end):
    result = client.execute(f"import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\nplt.title('T')\n{end}", session)
    assert result["success"], result
    assert len(result["output"]["plots"]) == 1
    plot = result["output"]["plots"][0]
    assert plot["format"] in ("png", "svg") and uuid.UUID(plot["id"])
    assert plot["metadata"]["title"] == "T" and plot["metadata"]["width"] > 0
    if plot.get("data"):
        assert base64.b64decode(plot["data"]).startswith(b"\x89PNG")
    again = client.execute("1", session)
    assert again["output"]["plots"] == [], "a figure is shown once"


def test_an_exception(client, session):
    result = client.execute("def f():\n    return 1 / 0\n\nf()\n", session)
    error = error_of(result)
    assert error["type"] == "ZeroDivisionError" and error["message"] == "division by zero"
    assert error["line"] == 2 or error["line"] == 4
    text = error["traceback"] if isinstance(error["traceback"], str) else "\n".join(error["traceback"])
    assert "return 1 / 0" in text and "line 2" in text and "line 4" in text
    for ours in ("/opt/penny", "runtime.py", "runtime/python", "<frozen", "_penny"):
        assert ours not in text, text
    assert result["state"] == "kept"


def test_a_traceback_shows_the_code_of_the_cell_it_came_from(client, session):
    client.stdout("def first():\n    raise KeyError('deep')", session)
    error = error_of(client.execute("x = 1\nfirst()", session))
    text = error["traceback"] if isinstance(error["traceback"], str) else "\n".join(error["traceback"])
    assert "raise KeyError('deep')" in text and "first()" in text


def test_a_syntax_error(client, session):
    error = error_of(client.execute("x = 1\nx = (\n", session))
    assert error["type"] == "SyntaxError" and error["line"] == 2
    assert error_of(client.execute("  x = 1\ny = 2", session))["type"] == "IndentationError"
    assert client.execute("x", session)["error"]["type"] == "NameError", "nothing of a cell that does not compile has run"


def test_output_before_an_error_is_kept(client, session):
    result = client.execute("print('before')\n1 / 0\nprint('after')", session)
    assert error_of(result)["type"] == "ZeroDivisionError" and result["output"]["stdout"] == "before\n"


def test_a_chain_of_exceptions(client, session):
    error = error_of(client.execute("try:\n    1 / 0\nexcept Exception as e:\n    raise ValueError('second') from e", session))
    text = error["traceback"] if isinstance(error["traceback"], str) else "\n".join(error["traceback"])
    assert error["type"] == "ValueError" and "ZeroDivisionError" in text


def test_hostile_exceptions(client, session):
    assert error_of(client.execute("class E(Exception):\n    def __str__(self): raise RuntimeError('no')\nraise E()", session))["type"] == "E"
    assert error_of(client.execute("def f(): f()\nf()", session))["type"] == "RecursionError"
    unshowable = client.execute("class B:\n    def __repr__(self): raise ValueError('bad repr')\nB()", session)
    assert "bad repr" in unshowable["output"]["stderr"] + str(unshowable.get("error")), "as in IPython: the cell ran, its value can't be shown, and why is said"
    assert error_of(client.execute("raise BaseException('x')", session))["type"] == "BaseException"
    assert client.stdout("print('alive')", session) == "alive\n"


@pytest.mark.parametrize("code,stdout", [
    ("!echo shell", "shell\n"), ("%time pass", None), ("x = !echo captured\nprint(x)", "['captured']\n"),
    ("import asyncio\nawait asyncio.sleep(0)\nprint('awaited')", "awaited\n"), ("    print('indented')", "indented\n"),
    ("%%timeit -n1 -r1\npass", None), ("!!echo two", None),
])
def test_ipython_s_cell_syntax(client, session, code, stdout):
    result = client.execute(code, session)
    assert result["success"], result
    if stdout is not None:
        assert result["output"]["stdout"].replace("\r", "") == stdout


def test_output_of_c_code_and_child_processes(client, session):
    code = "import os, subprocess\nos.write(1, b'raw\\n')\nsubprocess.run(['echo', 'child'])\nos.system('echo system; echo problem >&2')\nprint('py')"
    result = client.execute(code, session)
    assert result["output"]["stdout"] == "raw\nchild\nsystem\npy\n", result
    assert result["output"]["stderr"] == "problem\n"


def test_c_stdio_is_captured(client, session):
    code = "import ctypes\nc = ctypes.CDLL(None)\nc.puts(b'from C')\nc.fflush(None)"
    assert client.stdout(code, session) == "from C\n"


def test_stdin_is_empty_unless_given(client, session):
    assert error_of(client.execute("import sys\nprint(repr(sys.stdin.read()))\nraise SystemError('end')", session))["type"] == "SystemError"
    assert client.stdout("print(input() + input())", session, stdin="one\ntwo\n") == "onetwo\n"


def test_variables_go_in(client, session):
    variables = {"n": 1, "s": "é\n\"", "l": [1, None, True, 2.5], "d": {"k": {"deep": []}}, "big": 2**62}
    assert client.stdout("print(n, s, l, d, big)", session, variables=variables) == f"1 é\n\" [1, None, True, 2.5] {{'k': {{'deep': []}}}} {2**62}\n"
    assert client.stdout("print(n)", session) == "1\n", "they stay"


def test_variables_of_a_new_session(client):
    id = client.session(variables={"x": [1, 2]})
    assert client.stdout("print(x)", id) == "[1, 2]\n"
    client.delete_session(id)


def test_environment_of_one_run(client, session):
    code = "import os; print(os.environ.get('PENNY_TEST'))"
    assert client.stdout(code, session, envVars={"PENNY_TEST": "here"}) == "here\n"
    assert client.stdout(code, session) == "None\n"


def test_created_and_changed_variables_come_out(client, session):
    first = client.execute("a = 1\nb = 'two'", session)["output"]["variables"]
    assert first["a"]["type"] == "int" and first["a"]["value"] == 1 and first["b"]["value"] == "two"
    second = client.execute("a = 5", session)["output"]["variables"]
    assert second["a"]["value"] == 5 and "b" not in second
    third = client.execute("import math\n_x = 1", session)["output"]["variables"]
    assert "math" not in third


@pytest.mark.parametrize("fields", [
    {}, {"code": ""}, {"code": 5}, {"code": None}, {"code": ["x"]}, {"code": "1", "timeout": 0}, {"code": "1", "timeout": -5},
    {"code": "1", "timeout": 300001}, {"code": "1", "timeout": "soon"}, {"code": "1", "timeout": 1e400}, {"code": "1", "sessionId": "no-uuid"},
    {"code": "1", "sessionId": 7}, {"code": "1", "variables": []}, {"code": "1", "variables": {"not a name": 1}}, {"code": "1", "envVars": "x"},
    {"code": "1" * 1_000_001}, {"code": "1", "stdin": 5},
])
def test_fields_that_cannot_be_used(client, fields):
    answer = client.post("/api/v1/execute", str_json(fields))
    assert answer.status in (400, 422), answer
    body = answer.json
    assert body["statusCode"] == answer.status and body["code"] and body["error"] and body["message"]


def str_json(fields):
    return json.dumps(fields).replace("Infinity", "1e400").encode()


def test_what_is_not_known_is_ignored_and_numbers_may_be_strings(client):
    result = client.execute("print(1)", timeout="20000", future={"field": 1}, allowNetworking=False)
    assert result["success"]
    client.delete_session(result["sessionId"])


def test_a_million_characters_run(client, session):
    code = "x = '" + "é" * (1_000_000 - 20) + "'\nlen(x)"
    result = client.execute(code, session)
    assert result["success"] and result["output"]["results"][0]["data"]["text/plain"] == str(1_000_000 - 20)


def test_code_is_text_and_stays_text(client, session):
    for text in ("é😀\u2028", "a\tb", "\\n", "\x7f", "'''", "\u0000"):
        result = client.execute(f"s = {text!r}\nprint(s == {ascii(text)})", session)
        assert result["output"]["stdout"] == "True\n", (text, result)
    nul = client.post("/api/v1/execute", {"code": "print(1)\x00print(2)", "sessionId": session})
    assert nul.status == 400 or nul.json["success"] is False, nul


def test_a_session_deleted_while_it_runs_still_answers(client):
    session = client.session()
    execution = client.start("print('up')\nimport time\ntime.sleep(1000)", session)
    with client.events(execution) as events:
        events.next("stdout", "up")
        client.delete_session(session)
        assert events.rest()[-1].type in ("complete", "error")
