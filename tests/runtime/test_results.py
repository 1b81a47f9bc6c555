"""Values shown: last expressions and display() as MIME bundles."""

import base64
import json

import pytest
from wire import DISPLAY, STDOUT


@pytest.mark.parametrize(
    "code, shown",
    [
        ("1 + 1", "2"),
        ("'text'", "'text'"),
        ("x = 5\nx", "5"),
        ("[1, 2]", "[1, 2]"),
        ("{'a': [1, (2, 3)], 'b': {4}}", "{'a': [1, (2, 3)], 'b': {4}}"),
        ("...", "Ellipsis"),
        ("True", "True"),
        ("1.5", "1.5"),
        ("b'x'", "b'x'"),
        ("class A:\n  def __repr__(self): return 'an A'\nA()", "an A"),
        ("5  # a comment", "5"),
        ("(1,\n 2)", "(1, 2)"),
        ("'é€😀'", "'é€😀'"),
        ("lambda: 0", "<function __main__.<lambda>()>"),
        ("int", "int"),
        ("\n\n7\n\n", "7"),
        ("if True:\n    x = 1\n3", "3"),
    ],
)
def test_last_expression(worker, code, shown):
    r = worker.run(code)
    assert r.main == {"text/plain": shown} and r.status == "ok" and r.stdout == ""


@pytest.mark.parametrize("code", ["None", "x = 1", "1;", "1 ; ", "print()\n5;  # quiet", "for i in range(3): i", "if True: 5", "def f(): return 1", "import math"])
def test_no_result(worker, code):
    assert worker.run(code).of(DISPLAY) == []


def test_a_semicolon_inside_is_no_silence(worker):
    assert worker.run("x = 1; x").main == {"text/plain": "1"}
    assert worker.run("'a;'").main == {"text/plain": "'a;'"}


def test_order_with_text(worker):
    r = worker.run("print('a')\ndisplay(1)\nprint('b')\ndisplay(2)\nprint('c')\n3")
    assert [(k, t) for k, t in r.order] == [(STDOUT, "a\n"), (DISPLAY, None), (STDOUT, "b\n"), (DISPLAY, None), (STDOUT, "c\n"), (DISPLAY, None)]
    assert [d["isMainResult"] for d in r.displays] == [False, False, True]


def test_data_frame(worker):
    data = worker.run("import pandas as pd\npd.DataFrame({'a': [1, 2]})").main
    assert "a" in data["text/plain"] and "<table" in data["text/html"]


def test_repr_methods(worker):
    code = """
class A:
    def _repr_html_(self): return '<b>x</b>'
    def _repr_latex_(self): return '$x$'
    def _repr_svg_(self): return '<svg></svg>'
    def _repr_json_(self): return {'a': [1, float('nan'), 10**30]}
    def _repr_markdown_(self): return '*x*'
    def _repr_png_(self): return b'\\x89PNG'
    def __repr__(self): return 'A'
A()
"""
    data = worker.run(code).main
    assert data["text/html"] == "<b>x</b>" and data["text/latex"] == "$x$" and data["image/svg+xml"] == "<svg></svg>"
    assert data["application/json"] == {"a": [1, "NaN", str(10**30)]} and data["text/markdown"] == "*x*"
    assert base64.b64decode(data["image/png"]) == b"\x89PNG" and data["text/plain"] == "A"


def test_mime_bundle_method(worker):
    code = "class A:\n def _repr_mimebundle_(self, **k): return {'text/plain': 'p', 'application/x-own': {'k': 1}}\nA()"
    assert worker.run(code).main == {"text/plain": "p", "application/x-own": {"k": 1}}


def test_display_functions(worker):
    r = worker.run(
        "from IPython.display import HTML, Markdown, JSON, Latex, SVG, Image, display\ndisplay(HTML('<i>'), Markdown('*m*'))\ndisplay(JSON({'a': 1}))\ndisplay({'text/plain': 'raw'}, raw=True)"
    )
    assert [sorted(d["data"]) for d in r.displays] == [
        ["text/html", "text/plain"], ["text/markdown", "text/plain"], ["application/json", "text/plain"], ["text/plain"],
    ]
    assert not any(d["isMainResult"] for d in r.displays)


def test_update_display_and_clear_output(worker):
    r = worker.run("from IPython.display import clear_output\nh = display('a', display_id='n')\nh.update('b')\nclear_output(wait=True)")
    assert r.displays[0]["displayId"] == "n" and "update" not in r.displays[0]
    assert r.displays[1]["update"] is True and r.displays[1]["displayId"] == "n"
    assert r.displays[2]["clear"] is True and r.displays[2]["wait"] is True and r.displays[2]["data"] == {}


def test_failing_repr(worker):
    r = worker.run("class A:\n  def __repr__(self): raise ValueError('no')\nA()")
    assert r.status == "ok" and "ValueError: no" in r.stderr and "penny_runtime" not in r.stderr
    assert r.main["text/plain"].startswith("<__main__.A object at ")


def test_failing_repr_in_a_list(worker):
    r = worker.run("class A:\n  def __repr__(self): raise ValueError('no')\n[A()]")
    assert r.status == "error" and r.error["type"] == "ValueError"


def test_big_results_are_cut(worker):
    shown = worker.run("'x' * 30_000_000").main["text/plain"]
    assert len(shown) < 1_100_000 and "30000002 characters in all" in shown
    assert len(worker.run("list(range(10**6))").main["text/plain"]) < 20_000
    assert len(worker.run("['x' * 10**6] * 50").main["text/plain"]) < 1_100_000
    r = worker.run("from IPython.display import HTML\nHTML('<p>' * 10**7)")
    assert "text/html" not in r.main and "left out" in r.main["text/plain"]


def test_history(worker):
    worker.run("111")
    worker.run("222")
    assert worker.run("print(_, __, Out[1], Out[2])").stdout == "222 111 111 222\n"
    assert worker.run("sorted(k for k in globals() if not k.startswith('__'))").main == {"text/plain": "[]"}


def test_history_is_bounded(worker):
    for i in range(40):
        worker.run(f"{i}")
    assert worker.run("print(len(Out), min(Out))").stdout == "32 9\n"


def test_nothing_of_ours_is_visible(worker):
    r = worker.run("print(sorted(globals()))\nprint(__name__, '__file__' in globals())\nimport sys\nprint(sys.modules['__main__'].__dict__ is globals(), sys.argv)")
    lines = r.stdout.split("\n")
    assert json.loads(lines[0].replace("'", '"')) == [
        "__annotations__", "__builtins__", "__doc__", "__loader__", "__name__", "__package__", "__spec__",
    ]
    assert lines[1] == "__main__ False" and lines[2] == "True ['']"


def test_no_frame_of_ours_below_the_cell(worker):
    assert worker.run("import sys\nsys._getframe(1)").error["type"] == "ValueError"
    assert worker.run("import inspect\nprint(len(inspect.stack()))").stdout == "1\n"


def test_plotly(worker):
    r = worker.run("import plotly.graph_objects as go\nfig = go.Figure(go.Bar(y=[1, 3]))\nfig")
    data = r.main
    assert data["application/vnd.plotly.v1+json"]["data"][0]["type"] == "bar" and "<div" in data["text/html"]
    assert len(worker.run("fig.show()").displays) == 1
    r = worker.run("import plotly.express as px\nimport numpy as np\npx.line(y=np.array([1, np.nan, 3]))")
    assert r.status == "ok" and "application/vnd.plotly.v1+json" in r.main


def test_pillow(worker):
    r = worker.run("from PIL import Image\nim = Image.new('RGB', (4, 3), 'red')\nim")
    assert base64.b64decode(r.main["image/png"])[:4] == b"\x89PNG"
    assert "image/png" in worker.run("im.show()").displays[0]["data"]
    assert "image/png" in worker.run("im.convert('CMYK').show()").displays[0]["data"]


def test_sympy(worker):
    data = worker.run("import sympy\nx = sympy.Symbol('x')\nsympy.Integral(x**2, x)").main
    assert "x" in data["text/plain"] and "\\int" in data["text/latex"]


def test_pickling_of_own_classes(worker):
    r = worker.run("import pickle\nclass A:\n  def __init__(self, x): self.x = x\nprint(pickle.loads(pickle.dumps(A(3))).x)")
    assert r.stdout == "3\n"
    assert worker.run("print(pickle.loads(pickle.dumps(A(4))).x)").stdout == "4\n"


def test_source_of_own_functions(worker):
    worker.run("def f(x):\n    # here\n    return x + 1")
    r = worker.run("import inspect\nprint(inspect.getsource(f))")
    assert r.stdout == "def f(x):\n    # here\n    return x + 1\n\n"


def test_future_import_lasts(worker):
    worker.run("from __future__ import annotations")
    assert worker.run("def f(x: not_defined): pass\nprint(f.__annotations__)").stdout == "{'x': 'not_defined'}\n"


def test_display_in_a_child(worker):
    r = worker.run("import os\nif os.fork() == 0:\n    display('in the child')\n    os._exit(0)\nos.wait()\ndisplay('in the parent')")
    assert r.stdout == "'in the child'\n" and [d["data"]["text/plain"] for d in r.displays] == ["'in the parent'"]
