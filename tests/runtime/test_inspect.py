"""Requests about variables between cells."""

import base64
import json
import pickle

import pytest


def test_list_and_names(worker):
    worker.run("x = 1\ny = 'a'\nimport os\ndef f(): pass")
    reply = worker.inspect(op="list")
    assert reply["ok"] and not reply["truncated"] and set(reply["variables"]) == {"x", "y"}
    assert reply["variables"]["x"] == {"name": "x", "type": "int", "value": 1, "size": 28, "serializable": True}
    assert worker.inspect(op="names") == {"ok": True, "names": ["x", "y"]}


def test_an_empty_list(worker):
    assert worker.inspect(op="list") == {"ok": True, "variables": {}, "truncated": False}


def test_set_and_get(worker):
    assert worker.inspect(op="set", variables={"a": 1, "é": [1]}) == {"ok": True, "updated": ["a", "é"]}
    assert worker.run("print(a, é)").stdout == "1 [1]\n"
    assert worker.inspect(op="get", name="a")["variable"]["value"] == 1


def test_setting_is_no_change_of_the_next_cell(worker):
    worker.inspect(op="set", variables={"a": 1})
    assert worker.run("b = 2").variables.keys() == {"b"}


@pytest.mark.parametrize("name", ["1a", "", "a b", "__builtins__", "__name__", "a-b", "get_ipython"])
def test_names_that_cannot_be_set(worker, name):
    reply = worker.inspect(op="set", variables={"fine": 1, name: 1})
    assert not reply["ok"] and reply["error"]["type"] == "ValueError"
    assert worker.inspect(op="names")["names"] == []


def test_delete_and_clear(worker):
    worker.run("a = b = c = d = 1\nimport math\ndef f(): return 1")
    assert worker.inspect(op="delete", name="a")["deleted"] == ["a"]
    assert worker.inspect(op="delete", names=["b", "c"])["deleted"] == ["b", "c"]
    reply = worker.inspect(op="delete", name="nothing")
    assert not reply["ok"] and reply["error"]["type"] == "KeyError"
    assert worker.inspect(op="delete", name="__builtins__")["ok"] is False
    assert worker.inspect(op="clear")["cleared"] == ["d"]
    assert worker.run("print(f(), math.floor(1.5))").stdout == "1 1\n"


@pytest.mark.parametrize("request_", [{"op": "nonsense"}, {}, {"op": "get"}, {"op": "get", "name": 5}, {"op": "set"}, {"op": "set", "variables": 5}, {"op": "get", "name": "x", "format": "xml"}, {"op": "get", "name": "x", "offset": "a"}])
def test_requests_that_make_no_sense(worker, request_):
    worker.run("x = [1]")
    reply = worker.inspect(**request_)
    assert reply["ok"] is False and reply["error"]["type"] and isinstance(reply["error"]["message"], str)


@pytest.mark.parametrize(
    "code, offset, limit, items, total",
    [
        ("x = list(range(1000))", 500, 3, [500, 501, 502], 1000),
        ("x = list(range(10))", 8, 100, [8, 9], 10),
        ("x = list(range(10))", 50, 5, [], 10),
        ("x = 'abcdef' * 5000", 6, 3, "abc", 30000),
        ("x = {i: i * i for i in range(1000)}", 10, 2, [["10", 100], ["11", 121]], 1000),
        ("import numpy as np\nx = np.arange(6000).reshape(2000, 3)", 1999, 5, [[5997, 5998, 5999]], 2000),
        ("import pandas as pd\nx = pd.DataFrame({'a': range(1000)})", 998, 5, [{"a": 998}, {"a": 999}], 1000),
        ("import pandas as pd\nx = pd.Series(range(1000))", 3, 2, [3, 4], 1000),
    ],
)
def test_pages(worker, code, offset, limit, items, total):
    worker.run(code)
    page = worker.inspect(op="get", name="x", offset=offset, limit=limit)["variable"]["page"]
    assert page["items"] == items and page["total"] == total and page["offset"] == offset


def test_no_pages(worker):
    worker.run("x = 5")
    assert worker.inspect(op="get", name="x", offset=0)["ok"] is False


def test_details(worker):
    worker.run("import pandas as pd, numpy as np\nx = pd.DataFrame({'a': np.arange(1000.0), 's': ['t'] * 1000})")
    variable = worker.inspect(op="get", name="x")["variable"]
    assert variable["describe"]["a"]["mean"] == 499.5 and "s" not in variable["describe"]


def test_exports(worker):
    worker.run("import pandas as pd, numpy as np\ndf = pd.DataFrame({'a': [1, 2], 'b': ['x', None]})\nl = [1, {'k': (2, float('nan'))}]\narr = np.eye(2)\nf = lambda: 7\ng = (i for i in range(3))")
    assert worker.inspect(op="get", name="df", format="csv")["data"] == ",a,b\n0,1,x\n1,2,\n"
    assert json.loads(worker.inspect(op="get", name="df", format="json")["data"]) == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    assert json.loads(worker.inspect(op="get", name="l", format="json")["data"]) == [1, {"k": [2, "NaN"]}]
    assert worker.inspect(op="get", name="arr", format="csv")["data"] == "1.0,0.0\r\n0.0,1.0\r\n"
    data = worker.inspect(op="get", name="l", format="pickle")["data"]
    assert pickle.loads(base64.b64decode(data))[0] == 1
    reply = worker.inspect(op="get", name="g", format="pickle")
    assert reply["ok"] is False and reply["error"]["type"] == "TypeError"
    assert worker.inspect(op="get", name="g", format="csv")["ok"] is False


def test_an_export_too_large(worker):
    worker.run("x = list(range(3_000_000))")
    reply = worker.inspect(op="get", name="x", format="pickle")
    assert reply["ok"] is True or "larger" in reply["error"]["message"]
    worker.run("y = 'x' * 20_000_000")
    assert "larger" in worker.inspect(op="get", name="y", format="json")["error"]["message"]


def test_many_variables(worker):
    worker.run("for i in range(1500): globals()[f'v{i}'] = 'x' * 5000")
    reply = worker.inspect(op="list")
    assert reply["truncated"] and 100 < len(reply["variables"]) <= 1000


def test_hostile_variables(worker):
    worker.run("class H:\n  def __repr__(self):\n    while True: pass\nx = H()\ny = 5")
    reply = worker.inspect(op="list")
    assert reply["ok"] and reply["variables"]["y"]["value"] == 5 and "took more than" in reply["variables"]["x"]["error"]
    assert worker.run("print(1)").stdout == "1\n"


def test_inspection_is_no_cell(worker):
    worker.run("x = 1")
    worker.inspect(op="list")
    assert worker.run("1").done["executionCount"] == 2
