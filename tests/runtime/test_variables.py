"""What a cell created or changed, and the shapes in which it is told."""

import json

import pytest
from wire import DISPLAY, DONE, PLOT, STDOUT, VARIABLE


def shown(worker, code, name="x"):
    r = worker.run(code)
    assert r.status == "ok", r.error
    data = r.variables[name]
    json.dumps(data, allow_nan=False)
    return data


@pytest.mark.parametrize(
    "code, expected",
    [
        ("x = 5", {"type": "int", "value": 5, "serializable": True}),
        ("x = None", {"type": "NoneType", "value": None, "serializable": True}),
        ("x = True", {"type": "bool", "value": True}),
        ("x = 1.5", {"type": "float", "value": 1.5}),
        ("x = 'é€😀'", {"type": "str", "value": "é€😀"}),
        ("x = float('nan')", {"type": "float", "value": "NaN", "nonFinite": True}),
        ("x = float('-inf')", {"type": "float", "value": "-Infinity", "nonFinite": True}),
        ("x = 10**30", {"type": "int", "value": str(10**30), "asText": True}),
        ("x = 2**53", {"type": "int", "value": 2**53}),
        ("x = 1+2j", {"type": "complex", "value": "(1+2j)", "real": 1.0, "imag": 2.0}),
        ("x = b'ab'", {"type": "bytes", "value": "YWI=", "encoding": "base64", "length": 2}),
        ("x = 'a\\ud800b'", {"type": "str", "value": "a\ufffdb"}),
        ("x = 'a\\0b'", {"type": "str", "value": "a\0b"}),
        ("x = [1, 'a', None, 2.5, [3]]", {"type": "list", "value": [1, "a", None, 2.5, [3]], "length": 5, "serializable": True}),
        ("x = (1, float('nan'))", {"type": "tuple", "value": [1, "NaN"]}),
        ("x = {1}", {"type": "set", "value": [1]}),
        ("x = {'a': 1, 2: [3]}", {"type": "dict", "value": {"a": 1, "2": [3]}, "length": 2}),
        ("x = list(range(200))", {"type": "list", "length": 200, "preview": list(range(10)), "truncated": True, "serializable": False}),
        ("x = {i: i for i in range(60)}", {"type": "dict", "length": 60, "keys": [str(i) for i in range(20)], "truncated": True}),
        ("x = [list(range(200))]", {"type": "list", "length": 1, "truncated": True, "serializable": False,
                                    "value": [{"type": "list", "length": 200, "truncated": True, "preview": list(range(10))}]}),
        ("x = [1]; x.append(x)", {"type": "list", "value": [1, {"type": "list", "cycle": True}], "serializable": False}),
        ("x = {}; x['x'] = x", {"type": "dict", "value": {"x": {"type": "dict", "cycle": True}}}),
        ("import datetime; x = datetime.datetime(2024, 1, 2)", {"type": "datetime", "value": "2024-01-02T00:00:00", "serializable": True}),
        ("import datetime; x = datetime.timedelta(1)", {"type": "timedelta", "value": "1 day, 0:00:00"}),
        ("from decimal import Decimal; x = Decimal('1.10')", {"type": "Decimal", "value": "1.10"}),
        ("from pathlib import Path; x = Path('/a')", {"type": "PosixPath", "value": "/a"}),
        ("import numpy as np; x = np.int64(5)", {"type": "numpy.int64", "value": 5, "dtype": "int64", "size": 8}),
        ("import numpy as np; x = np.float32('nan')", {"type": "numpy.float32", "value": "NaN"}),
        ("import numpy as np; x = np.array([[1, 2], [3, 4]])",
         {"type": "numpy.ndarray", "dtype": "int64", "shape": [2, 2], "value": [[1, 2], [3, 4]], "size": 32, "memory_usage": 32, "length": 4, "serializable": True}),
        ("import numpy as np; x = np.array([1.0, np.nan, np.inf])", {"value": [1.0, "NaN", "Infinity"]}),
        ("import numpy as np; x = np.array([2**63], dtype='u8')", {"value": [2**63]}),
        ("import numpy as np; x = np.array(['a', None], dtype=object)", {"value": ["a", None], "dtype": "object"}),
        ("import numpy as np; x = np.array('2024-01-01', dtype='M8[D]')", {"value": "2024-01-01", "shape": []}),
        ("import numpy as np; x = np.array([1+2j])", {"value": ["(1+2j)"]}),
        ("import numpy as np; x = np.zeros((0, 3))", {"value": [], "shape": [0, 3]}),
        ("import numpy as np; x = np.arange(2000)",
         {"type": "numpy.ndarray", "length": 2000, "size": 16000, "preview": list(range(10)), "truncated": True,
          "statistics": {"min": 0.0, "max": 1999.0, "mean": 999.5, "std": 577.3501970208376}}),
        ("import pandas as pd; x = pd.DataFrame({'a': [1, 2], 'b': ['x', None]})",
         {"type": "pandas.DataFrame", "shape": [2, 2], "columns": ["a", "b"], "index": [0, 1], "length": 2, "serializable": True}),
        ("import pandas as pd; x = pd.Series([1.5, float('nan')], name='s')",
         {"type": "pandas.Series", "dtype": "float64", "data": [1.5, "NaN"], "index": [0, 1], "seriesName": "s", "length": 2}),
        ("import pandas as pd; x = pd.Timestamp('2024-01-02')", {"value": "2024-01-02T00:00:00"}),
        ("import pandas as pd; x = pd.Index([1, 2])", {"type": "pandas.Index", "value": [1, 2]}),
        ("class A:\n  def __repr__(self): return 'an A'\nx = A()", {"type": "A", "module": "__main__", "repr": "an A", "serializable": False}),
        ("from collections import Counter; x = Counter('aab')", {"type": "Counter", "value": {"a": 2, "b": 1}, "length": 2}),
        ("from collections import namedtuple; x = namedtuple('P', 'a b')(1, 2)", {"type": "P", "value": [1, 2]}),
        ("from enum import Enum\nclass E(Enum):\n  A = 1\nx = E.A", {"type": "E", "repr": "<E.A: 1>"}),
        ("x = (i for i in range(3))", {"type": "generator", "serializable": False}),
        ("x = range(3)", {"type": "range", "repr": "range(0, 3)"}),
        ("x = 'a' * 20_000", {"type": "str", "length": 20000, "truncated": True}),
        ("x = 10**5000", {"type": "int", "asText": True}),
    ],
)
def test_shapes(worker, code, expected):
    data = shown(worker, code)
    assert {k: data.get(k) for k in expected} == expected
    assert "error" not in data


def test_frames(worker):
    data = shown(worker, "import pandas as pd, numpy as np\nx = pd.DataFrame({'a': [1, 2], 'b': [1.5, np.nan], 'c': pd.to_datetime(['2024-01-01', None]), 'd': ['p', None], 'e': pd.Categorical(['u', 'v']), 'f': pd.array([1, None], dtype='Int64')})")
    assert data["data"][0] == {"a": 1, "b": 1.5, "c": "2024-01-01T00:00:00", "d": "p", "e": "u", "f": 1}
    assert data["data"][1]["a"] == 2 and data["data"][1]["b"] == "NaN" and data["data"][1]["c"] is None and data["data"][1]["f"] is None
    assert data["dtypes"]["a"] == "int64" and data["memory_usage"] > 0


def test_big_frames(worker):
    data = shown(worker, "import pandas as pd, numpy as np\nx = pd.DataFrame(np.arange(3000.0).reshape(1000, 3), columns=list('abc'))")
    assert data["truncated"] and data["head"][0] == {"a": 0.0, "b": 1.0, "c": 2.0} and len(data["head"]) == len(data["tail"]) == 5
    assert data["tail"][-1]["c"] == 2999.0 and data["shape"] == [1000, 3] and "data" not in data
    data = shown(worker, "x = pd.DataFrame(np.zeros((3, 500)))")
    assert data["truncated"] and len(data["columns"]) == 100 and len(data["head"][0]) == 20


def test_odd_frames(worker):
    for code in (
        "pd.DataFrame()", "pd.DataFrame(index=range(3))", "pd.DataFrame([[1, 2]], columns=['a', 'a'])",
        "pd.DataFrame({('a', 1): [1]})", "pd.DataFrame({'a': [1]}).set_index('a')", "pd.DataFrame({'a': [[1], {'b': 2}]})",
        "pd.DataFrame({'a': [1, 2]}, index=pd.MultiIndex.from_tuples([(1, 'x'), (2, 'y')]))", "pd.Series([], dtype=float)",
        "pd.Series([object()])", "pd.DataFrame({'a': pd.period_range('2024', periods=2)})", "pd.DataFrame({1: [1], None: [2]})",
    ):
        data = shown(worker, f"import pandas as pd\nx = {code}")
        assert "error" not in data, (code, data)


def test_a_machine_that_stands_still_is_no_fault_of_the_code_that_is_called(worker):
    """A process that is stopped for longer than it may take, as a test can have it; it has used no processor time."""
    data = worker.run("""
import os, signal, time
class Stopped:
    def __repr__(self):
        pid = os.getpid()
        if os.fork() == 0:
            time.sleep(0.3)
            os.kill(pid, signal.SIGCONT)
            os._exit(0)
        os.kill(pid, signal.SIGSTOP)
        os.wait()
        return 'fine'
x = Stopped()""").variables["x"]
    assert data.get("repr") == "fine", data


@pytest.mark.parametrize(
    "body",
    [
        "def __repr__(self): raise ValueError",
        "def __repr__(self): return 5",
        "def __repr__(self):\n    while True: pass",
        "def __repr__(self):\n    while True:\n      try:\n        while True: pass\n      except Exception: pass",
        "def __repr__(self): return 'x' * 10**7",
        "def __repr__(self): import time; time.sleep(1000)",
        "def __getattribute__(self, name): raise RuntimeError(name)",
        "def __getattr__(self, name): return self",
        "def __len__(self): raise KeyError\n  def __iter__(self): raise KeyError",
        "__class__ = property(lambda self: 1/0)",
        "def __eq__(self, other): raise ValueError\n  __hash__ = None",
        "def __sizeof__(self): return -1",
        "def __repr__(self): raise SystemExit",
        "@property\n  def __dict__(self): raise ValueError",
    ],
)
def test_hostile_objects(worker, body):
    r = worker.run(f"print('a')\nclass H:\n  {body}\nx = H()\ny = [x]\nz = {{'k': x}}")
    assert r.status == "ok", r.error
    assert r.variables["x"]["type"] == "H" and "y" in r.variables and "z" in r.variables
    assert all(len(e.payload) < 20_000 for e in r.of(VARIABLE))
    assert worker.run("print('alive')").stdout == "alive\n"


@pytest.mark.parametrize("base", ["list", "dict", "str", "int", "float", "tuple", "set"])
def test_hostile_subclasses(worker, base):
    r = worker.run(
        f"class H({base}):\n  def __iter__(self): raise ValueError\n  def __len__(self): raise ValueError\n  def __repr__(self): raise ValueError\n  def __str__(self): raise ValueError\n  def items(self): raise ValueError\n  def __int__(self): raise ValueError\n  def __float__(self): raise ValueError\nx = H()"
    )
    assert r.status == "ok" and r.variables["x"]["type"] == "H"


def test_a_repr_that_prints(worker):
    r = worker.run("class H:\n  def __repr__(self):\n    print('in repr')\n    return 'h'\nx = H()")
    assert r.status == "ok" and r.variables["x"]["repr"] == "h"


def test_what_is_not_listed(worker):
    r = worker.run("import math, numpy as np\nfrom typing import List, Optional\nfrom numpy import *\ndef f(): pass\nclass A: pass\ng = lambda: 0\n__x__ = 1\nh = print\nimport os.path\nv = 1")
    names = set(r.variables)
    assert "v" in names and not names & {"math", "np", "List", "Optional", "f", "A", "g", "__x__", "h", "os", "sin", "array", "add"}


def test_our_names_are_not_listed(worker):
    assert worker.run("1 + 1").variables == {}
    assert worker.run("%pwd").variables == {}
    assert worker.run("!true").variables == {}
    assert worker.run("for i in range(3): pass").variables["i"]["value"] == 2


@pytest.mark.parametrize(
    "setup, code, names",
    [
        ("x = 1", "x = 2", {"x"}),
        ("x = 1", "x", set()),
        ("x = 1", "x = 1", set()),
        ("x = [1]", "x.append(2)", {"x"}),
        ("x = [1, 2]", "x[0] = 5", {"x"}),
        ("x = [1]", "x = [1]", {"x"}),
        ("x = [1]", "y = x", {"y"}),
        ("x = [1]\ny = x", "y.append(1)", {"x", "y"}),
        ("x = {}", "x['a'] = 1", {"x"}),
        ("x = {'a': 1}", "x['a'] = 2", {"x"}),
        ("x = {'a': 1}", "x['a']", set()),
        ("x = set()", "x.add(1)", {"x"}),
        ("x = {1}", "x.remove(1); x.add(2)", {"x"}),
        ("x = bytearray(10)", "x[3] = 1", {"x"}),
        ("import numpy as np\nx = np.zeros(10)", "x[3] = 1", {"x"}),
        ("import numpy as np\nx = np.zeros(10)", "x += 1", {"x"}),
        ("import numpy as np\nx = np.zeros(10**6)", "x += 1", {"x"}),
        ("import numpy as np\nx = np.zeros(10)", "x.sum();", set()),
        ("import numpy as np\nx = np.zeros((3, 4)).T", "x[0, 0] = 1", {"x"}),
        ("import pandas as pd\nx = pd.DataFrame({'a': [1, 2]})", "x['b'] = 3", {"x"}),
        ("import pandas as pd\nx = pd.DataFrame({'a': [1, 2]})", "x.loc[0, 'a'] = 5", {"x"}),
        ("import pandas as pd\nx = pd.DataFrame({'a': [1, 2]})", "x.drop(columns='a', inplace=True)", {"x"}),
        ("import pandas as pd\nx = pd.DataFrame({'a': [1, 2]})", "x.describe();", set()),
        ("import pandas as pd\nx = pd.DataFrame({'a': [1, 2]})", "x.rename(columns={'a': 'z'}, inplace=True)", {"x"}),
        ("import pandas as pd\nx = pd.Series([1, 2])", "x[0] = 7", {"x"}),
        ("class A: pass\nx = A()", "x.a = 1", {"x"}),
        ("class A: pass\nx = A()\nx.a = []", "x.a.append(1)", {"x"}),
        ("class A: pass\nx = A()", "repr(x);", set()),
        ("x = []\ndef f(): x.append(1)", "f()", {"x"}),
        ("import pandas as pd\nx = pd.DataFrame({'a': [1]})\ndef f(): x['n'] = 1", "f()", {"x"}),
        ("x = 1\ndef f():\n  global x\n  x = 9", "f()", {"x"}),
        ("x = 1", "del x", set()),
        ("x = 1", "globals()['x'] = 5", {"x"}),
        ("x = 5", "try:\n  x = 6\n  1/0\nexcept ZeroDivisionError: pass", {"x"}),
        ("x = 5", "x = 6\n1/0", {"x"}),
    ],
)
def test_changes(worker, setup, code, names):
    worker.run(setup)
    assert set(worker.run(code).variables) == names


def test_variables_come_after_all_output_and_before_the_end(worker):
    r = worker.run("import matplotlib.pyplot as plt\nx = 1\nprint('a')\nplt.plot([1])\n5")
    assert [e.kind for e in r.events] == [STDOUT, DISPLAY, PLOT, VARIABLE, DONE]


def test_variables_can_be_left_out(worker):
    assert worker.run("x = 1", includeVariables=False).variables == {}
    assert set(worker.run("y = 1").variables) == {"y"}


def test_many_variables(worker):
    r = worker.run("for i in range(500): globals()[f'v{i}'] = i")
    assert len(r.variables) == 100


def test_many_big_variables(worker):
    r = worker.run("for i in range(90): globals()[f'v{i}'] = ['y' * 900] * 90")
    assert len(r.variables) == 91 and sum(len(e.payload) for e in r.of(VARIABLE)) < 1_200_000


def test_detection_is_cheap(worker):
    worker.run("import numpy as np, pandas as pd, time\na = np.zeros(20_000_000)\nb = pd.DataFrame(np.zeros((2_000_000, 5)))\nc = list(range(5_000_000))\nd = dict.fromkeys(c)\ns = set(c)")
    done = worker.run("a; b; c; d; s;\nz = 1").done
    assert done["cpuUser"] + done["cpuSystem"] < 20_000  # µs; to touch every element would take more than 100 ms


def test_variables_set_before_the_run(worker):
    r = worker.run("print(a, b, c)", variables={"a": 1, "b": [1, {"x": None}], "c": "é"})
    assert r.stdout == "1 [1, {'x': None}] é\n" and set(r.variables) == {"a", "b", "c"}


def test_environment_of_one_run(worker):
    r = worker.run("import os\nprint(os.environ['A'], os.getenv('B'))\nos.environ['C'] = 'x'", envVars={"A": "1", "B": "é"})
    assert r.stdout == "1 é\n"
    assert worker.run("print('A' in os.environ)").stdout == "False\n"
    assert worker.run("import subprocess\nsubprocess.run('echo [$A]', shell=True);").stdout == "[]\n"


@pytest.mark.parametrize("setup", [{"variables": {"not a name": 1}}, {"variables": {"__builtins__": {}}}, {"variables": 5}, {"profile": "nonsense"}, {"envVars": {"A=B": "x"}}])
def test_a_setup_that_cannot_be_done(worker, setup):
    r = worker.run("print('not reached')", **setup)
    assert r.status == "error" and r.stdout == "" and r.error["message"] and "penny_runtime" not in r.error["traceback"]
    assert worker.run("print('fine')").stdout == "fine\n"
