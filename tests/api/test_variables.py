"""Variables over HTTP: list, one, pages, exports, set, delete; and objects that fight back."""

import csv
import io
import json
import pickle
import threading
import urllib.parse
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import until

NOBODY = str(uuid.UUID(int=7))


def strict(body):
    def refuse(constant):
        raise AssertionError(f"not JSON: {constant}")

    return json.loads(body.decode("utf-8"), parse_constant=refuse)


class Variables:
    def __init__(self, client, session):
        self.client, self.session, self.path = client, session, f"/api/v1/sessions/{session}/variables"

    def run(self, code, **fields):
        result = self.client.execute(code, self.session, includeVariables=False, **fields)
        assert result["success"], result
        return result["output"]["stdout"]

    def list(self):
        answer = self.client.get(self.path)
        assert answer.status == 200, answer
        body = strict(answer.body)
        assert body["sessionId"] == self.session and body["lastUpdated"].endswith("Z")
        return body["variables"]

    def put(self, variables):
        return self.client.request("PUT", self.path, variables)

    def get(self, name, query=""):
        return self.client.get(f"{self.path}/{urllib.parse.quote(name, safe='')}{query}")

    def one(self, name, query=""):
        answer = self.get(name, query)
        assert answer.status == 200, answer
        return strict(answer.body)

    def delete(self, name=None):
        return self.client.delete(self.path + ("" if name is None else "/" + urllib.parse.quote(name, safe="")))


@pytest.fixture
def variables(client, session):
    return Variables(client, session)


# What is listed


def test_an_empty_session(variables):
    assert variables.list() == {}


def test_data_is_listed_and_nothing_else(variables):
    variables.run("import numpy as np, math, os\nfrom typing import List\nx = 1\ndef f(): pass\nclass C: pass\nc = C()\nT = List[int]\ng = lambda: 0\nb = print\ni = j = 2\n_private = 3")
    assert set(variables.list()) == {"x", "c", "i", "j", "_private"}


def test_shapes(variables):
    variables.run("a = None; b = True; c = 2; d = 2.5; e = 'é'; f = [1, 'x']; g = (1,); h = {'k': [1]}; i = list(range(200)); j = {n: n for n in range(60)}")
    found = variables.list()
    assert {n: (v["type"], v.get("value")) for n, v in found.items() if "value" in v} == {
        "a": ("NoneType", None), "b": ("bool", True), "c": ("int", 2), "d": ("float", 2.5), "e": ("str", "é"),
        "f": ("list", [1, "x"]), "g": ("tuple", [1]), "h": ("dict", {"k": [1]}),
    }
    assert all(found[n]["serializable"] for n in "abcdefgh") and all(v["name"] == n for n, v in found.items())
    assert (found["i"]["length"], found["i"]["preview"], found["i"]["truncated"]) == (200, list(range(10)), True)
    assert found["j"]["keys"] == [str(n) for n in range(20)] and len(found["j"]["preview"]) == 10


def test_a_list_that_holds_a_long_list(variables):
    variables.run("x = [list(range(300))]")
    (x,) = variables.list().values()
    assert x["value"][0]["length"] == 300 and x["truncated"] and "error" not in x


def test_numbers_that_json_has_no_word_for(variables):
    variables.run("import numpy as np\na = float('nan'); b = float('inf'); c = -float('inf'); d = -0.0; e = [float('nan'), {'x': float('inf')}]; f = np.array([np.nan, -np.inf, -0.0]); g = 10**400; h = 2**63; i = np.array([2**63, 2**64 - 1], dtype='u8'); j = 1e308 * 10; k = 5e-324")
    found = variables.list()
    assert [found[n]["value"] for n in "abc"] == ["NaN", "Infinity", "-Infinity"] and found["a"]["nonFinite"] is True
    assert str(found["d"]["value"]) == "-0.0"
    assert found["e"]["value"] == ["NaN", {"x": "Infinity"}] and found["f"]["value"][:2] == ["NaN", "-Infinity"] and str(found["f"]["value"][2]) == "-0.0"
    assert found["g"]["value"] == str(10**400) and found["g"]["asText"] is True and found["h"]["value"] == str(2**63)
    assert found["i"]["value"] == [2**63, 2**64 - 1], "digits are kept on the way"
    assert found["k"]["value"] == 5e-324


def test_arrays_and_tables(variables):
    variables.run(
        "import numpy as np, pandas as pd\nsmall = np.arange(6).reshape(2, 3)\nbig = np.arange(10**7, dtype='f8')\n"
        "df = pd.DataFrame({'a': [1, 2], 'b': ['x', None], 'c': [1.5, float('nan')]})\nlong = pd.DataFrame({'a': range(1000)})\n"
        "wide = pd.DataFrame(np.zeros((2, 5000)))\ns = pd.Series([1, 2, 3], name='n')\nempty = pd.DataFrame()\nscalar = np.float64(2.5)"
    )
    found = variables.list()
    assert (found["small"]["type"], found["small"]["shape"], found["small"]["value"]) == ("numpy.ndarray", [2, 3], [[0, 1, 2], [3, 4, 5]])
    assert found["big"]["length"] == 10**7 and found["big"]["memory_usage"] == 8 * 10**7 and found["big"]["preview"] == list(range(10))
    df = found["df"]
    assert df["type"] == "pandas.DataFrame" and df["data"] == [{"a": 1, "b": "x", "c": 1.5}, {"a": 2, "b": None, "c": "NaN"}] and df["dtypes"]["a"] == "int64"
    assert found["long"]["truncated"] and len(found["long"]["head"]) == len(found["long"]["tail"]) == 5
    assert found["wide"]["shape"] == [2, 5000] and len(found["wide"]["columns"]) == 100
    assert found["s"]["seriesName"] == "n" and found["s"]["data"] == [1, 2, 3]
    assert found["empty"]["shape"] == [0, 0] and found["empty"]["data"] == []
    assert found["scalar"] == {"name": "scalar", "type": "numpy.float64", "value": 2.5, "size": 8, "serializable": True, "dtype": "float64"}
    assert variables.one("big")["statistics"]["max"] > 0


def test_tables_of_every_kind(variables):
    variables.run(
        "import numpy as np, pandas as pd, datetime\n"
        "multi = pd.DataFrame({('a', 'x'): [1], ('a', 'y'): [2]}, index=pd.MultiIndex.from_tuples([('p', 1)]))\n"
        "category = pd.Series(['u', 'v', 'u'], dtype='category')\n"
        "zones = pd.DataFrame({'t': pd.to_datetime(['2024-01-01', None]).tz_localize('Europe/Rome')})\n"
        "objects = pd.DataFrame({'o': [object(), {'k': 1}, [1, 2]]})\n"
        "twice = pd.DataFrame([[1, 2]], columns=['a', 'a'])\n"
        "nullable = pd.array([1, None], dtype='Int64')\n"
        "period = pd.Series(pd.period_range('2024-01', periods=2, freq='M'))\n"
        "delta = pd.Series(pd.to_timedelta([1, 2], unit='h'))\n"
        "records = np.array([(1, 'a')], dtype=[('n', 'i4'), ('s', 'U3')])\n"
        "masked = np.ma.array([1, 2], mask=[0, 1])\nraw = b'\\x00\\xff'\nweird = pd.DataFrame({1: [1], None: [2], 2.5: [3]})\n"
        "zoned = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)"
    )
    found = variables.list()
    assert [v["error"] for v in found.values() if "error" in v] == []
    assert list(found["multi"]["data"][0].values()) == [1, 2] and len(found["multi"]["data"][0]) == 2
    assert found["category"]["data"] == ["u", "v", "u"] and found["category"]["dtype"] == "category"
    assert found["zones"]["data"][0]["t"].startswith("2024-01-01T00:00:00+01:00") and found["zones"]["data"][1]["t"] is None
    assert found["twice"]["data"] == [{"a": 1, "a.1": 2}], "no column is lost"
    assert found["objects"]["data"][1]["o"] == {"k": 1}
    assert len(found["weird"]["data"][0]) == 3
    assert found["raw"]["value"] == "AP8=" and found["zoned"]["value"] == "2024-01-01T00:00:00+00:00"


def test_long_and_odd_text(variables):
    variables.run("a = 'x' * 10**7\nb = 'a\\ud800b'\nc = 'nul\\0 tab\\t quote\" back\\\\ \\u2028'\nglobals()['\\ud800'] = 1\nglobals()['a/b?c'] = 2\nglobals()['wei\\nrd'] = 3\nd = {'\\ud800': 1, '\\0': 2}")
    found = variables.list()
    assert found["a"]["length"] == 10**7 and found["a"]["truncated"] and len(found["a"]["value"]) == 10_000
    assert found["b"]["value"] == "a\ufffdb" and found["c"]["value"] == "nul\0 tab\t quote\" back\\ \u2028"
    assert found["\ufffd"]["value"] == 1 and found["a/b?c"]["value"] == 2 and "wei\nrd" in found and found["d"]["length"] == 2
    assert variables.one("a", "?offset=9999990&limit=5")["page"]["items"] == "xxxxx"
    assert variables.get("\ufffd").status == 404


def test_many_variables_are_bounded(variables):
    variables.run("for i in range(3000): globals()[f'v{i}'] = 'x' * 3000")
    answer = variables.client.get(variables.path)
    assert answer.json["truncated"] is True and len(answer.json["variables"]) <= 1000 and len(answer.body) < 5_000_000


# Objects that fight back

HOSTILE = {
    "repr that loops": "class H:\n  def __repr__(self):\n    while True: pass",
    "repr that catches everything": "class H:\n  def __repr__(self):\n    while True:\n      try:\n        while True: pass\n      except Exception: pass",
    "repr that raises": "class H:\n  def __repr__(self): raise ValueError('no')",
    "repr that exits": "class H:\n  def __repr__(self): raise SystemExit",
    "repr that interrupts": "class H:\n  def __repr__(self): raise KeyboardInterrupt",
    "repr that is no text": "class H:\n  def __repr__(self): return 5",
    "repr of 100 MB": "class H:\n  def __repr__(self): return 'x' * 10**8",
    "repr that prints": "class H:\n  def __repr__(self):\n    print('y' * 300_000)\n    return 'H'",
    "repr that recurses": "class H:\n  def __repr__(self): return repr(self)",
    "repr that deletes": "class H:\n  def __repr__(self):\n    globals().pop('x', None)\n    globals()['made'] = 1\n    return 'H'",
    "len that lies": "class H(list):\n  def __len__(self): return 10**12\n  def __iter__(self):\n    while True: yield 1",
    "negative len": "class H(dict):\n  def __len__(self): return -5",
    "items that lie": "class H(dict):\n  def items(self): raise RuntimeError\n  def keys(self): return [object()]",
    "getattr that raises": "class H:\n  def __getattr__(self, name): raise RuntimeError(name)",
    "getattribute that loops": "class H:\n  def __getattribute__(self, name):\n    while True: pass",
    "getattr that forks": "import os\nclass H:\n  def __getattr__(self, name):\n    os.fork()\n    raise AttributeError(name)",
    "repr that forks": "import os\nclass H:\n  def __repr__(self):\n    if os.fork() == 0: os._exit(0)\n    os.wait()\n    return 'parent'",
    "class that lies": "class H:\n  __class__ = property(lambda self: 1/0)\n  __module__ = 5",
    "metaclass with hash": "class M(type):\n  def __hash__(self): raise RuntimeError\n  def __eq__(self, other):\n    while True: pass\nclass H(metaclass=M): pass",
    "metaclass with getattribute": "class M(type):\n  def __getattribute__(self, name):\n    while True: pass\nclass H(metaclass=M): pass",
    "str that lies": "class H(str):\n  def __str__(self): return 5\n  def __len__(self): return 10**9\n  def __getitem__(self, i): raise RuntimeError",
    "int that lies": "class H(int):\n  def __int__(self): raise RuntimeError\n  def __index__(self): return 'x'\n  def __repr__(self): return 'zero'",
    "frame that lies": "import pandas as pd\nclass H(pd.DataFrame):\n  @property\n  def shape(self): return (10**9, 10**9)",
    "array that raises": "import numpy as np\nclass H(np.ndarray):\n  def __new__(cls): return np.zeros(3).view(cls)\n  def tolist(self): raise MemoryError",
}


ENDLESS = {"getattribute that loops", "metaclass with getattribute"}  # when they are pickled


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_objects(variables, kind):
    variables.run(HOSTILE[kind] + "\nx = H()\ngood = 5")
    found = variables.list()
    assert found["good"]["value"] == 5
    for query in ("", "?offset=0&limit=5", "?format=json", "?format=csv", *(() if kind in ENDLESS else ("?format=pickle",))):
        answer = variables.get("x", query)
        assert answer.status in (200, 404, 413, 422), (query, answer)
    assert variables.run("print(good)").endswith("5\n"), "the session goes on, its variables are there"


def test_what_a_metaclass_says_is_not_asked(variables):
    code = "class M(type):\n  def loop(self, *a):\n    while True: pass\n  __getattribute__ = __hash__ = __eq__ = __instancecheck__ = __repr__ = loop\nclass H(metaclass=M): pass\n"
    variables.run(code + "x = H()\nlisted = [x, {1: x}]")
    found = variables.list()
    assert found["x"]["repr"].startswith("<__main__.H object") and found["x"]["type"] == "H" and "error" not in found["x"]
    assert "H object" in found["listed"]["value"][0]
    for query in ("?format=json", "?format=csv"):
        assert variables.get("x", query).json["code"] == "VARIABLE_UNREADABLE"


def test_what_takes_too_long_to_pickle(client):
    """Two that an interrupt ends, and one that only the end of the interpreter does. Side by side: each takes all the time that there is for an export."""
    hang = "class H:\n  def __repr__(self):\n    try:\n      while True: pass\n    finally:\n      return self.__repr__()\nH.__reduce_ex__ = lambda self, n: (int, (10**7) ** (10**7))"

    def pickle_of(code):
        one = Variables(client, client.session())
        one.run(code + "\nx = H()\ngood = 5")
        answer = one.get("x", "?format=pickle")
        assert one.run("print(good)") == "5\n", "the session goes on, its variables are there"
        names = one.list()
        client.delete_session(one.session)
        return answer, names

    with ThreadPoolExecutor() as threads:
        *ended, died = [run.result() for run in [threads.submit(pickle_of, code) for code in (*(HOSTILE[kind] for kind in sorted(ENDLESS)), hang)]]
    for answer, _ in ended:
        assert answer.status == 422 and answer.json["code"] == "VARIABLE_TIMEOUT", answer
    answer, names = died
    assert answer.status == 422 and answer.json["code"] in ("INTERPRETER_DIED", "VARIABLE_TIMEOUT"), answer
    if answer.json["code"] == "INTERPRETER_DIED":
        assert answer.json["state"] == "rolledBack" and "x" in names


def test_an_interpreter_that_dies_over_it(variables):
    variables.run("import os\ny = 5\nclass H:\n  def __repr__(self): os.abort()\nx = H()")
    answer = variables.client.get(variables.path)
    assert answer.status == 422 and answer.json["code"] == "INTERPRETER_DIED"
    assert answer.json["state"] == "rolledBack" and answer.json["restoredTo"] == 1
    result = variables.client.execute("del x\nprint(y)", variables.session)
    assert result["output"]["stdout"] == "5\n" and "notice" not in result, "who asked has been told"
    assert variables.list()["y"]["value"] == 5


def test_an_interpreter_that_dies_over_it_without_checkpoints(variables):
    variables.client.expect(200, "PATCH", f"/api/v1/sessions/{variables.session}", {"checkpoints": "off"})
    variables.run("import os\nclass H:\n  def __repr__(self): os.abort()\nx = H()")
    answer = variables.client.get(variables.path)
    assert answer.status == 422 and answer.json["code"] == "INTERPRETER_DIED" and answer.json["state"] == "lost"
    assert variables.list() == {}, "the next one is answered by a fresh interpreter"


def test_structures_without_end(variables):
    variables.run("a = []; a.append(a)\nb = {}; b['b'] = b\nc = []\nfor _ in range(100_000): c = [c]\nd = {'x': {}}; d['x']['y'] = d\ne = [[[[[[[[1]]]]]]]]\nf = [0]\nfor _ in range(30): f = [f, f]")
    found = variables.list()
    assert found["a"]["value"] == [{"type": "list", "cycle": True}] and set(found) >= set("abcdef")
    for name in "abcdf":
        assert variables.get(name, "?format=json").status in (413, 422), name
    assert variables.one("e", "?format=json") == [[[[[[[[1]]]]]]]]


# One variable


def test_pages(variables):
    variables.run("import pandas as pd, numpy as np\ndf = pd.DataFrame({'a': range(10_000), 'b': 'x'})\nl = list(range(10**6))\narr = np.arange(30).reshape(10, 3)\nwide = pd.DataFrame(np.arange(10_000).reshape(2, 5000))\nn = 5")
    page = variables.one("df", "?offset=9998&limit=10")["page"]
    assert page["items"] == [{"a": 9998, "b": "x"}, {"a": 9999, "b": "x"}] and page["total"] == 10_000 and page["index"] == [9998, 9999]
    assert variables.one("l", "?offset=999999")["page"]["items"] == [999999]
    assert variables.one("arr", "?offset=9")["page"] == {"offset": 9, "limit": 100, "total": 10, "items": [[27, 28, 29]]}
    wide = variables.one("wide", "?limit=2")["page"]
    assert wide["totalColumns"] == 5000 and len(wide["columns"]) == 5000 and wide["items"][1]["4999"] == 9999
    assert variables.one("df", "?offset=20000")["page"]["items"] == []
    assert variables.get("n", "?offset=1").json["code"] == "VARIABLE_UNREADABLE"
    for query in ("?offset=-1", "?limit=0", "?limit=1001", "?limit=x", "?offset=9999999999999999999999"):
        assert variables.get("df", query).status == 400, query


def test_exports(variables):
    variables.run("import pandas as pd, numpy as np\ndf = pd.DataFrame({'a': [1, 2], 'b': ['x,\\n\"y', None]})\nl = [1, {'k': 'é'}]\narr = np.eye(2)\nd = {'a': 1}")
    answer = variables.get("df", "?format=csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8", answer
    assert answer.headers["content-disposition"].startswith('attachment; filename="df.csv"') and "sandbox" in answer.headers["content-security-policy"]
    assert list(csv.reader(io.StringIO(answer.body.decode()))) == [["", "a", "b"], ["0", "1", 'x,\n"y'], ["1", "2", ""]]
    answer = variables.get("l", "?format=json")
    assert answer.headers["content-type"].startswith("application/json") and strict(answer.body) == [1, {"k": "é"}]
    assert strict(variables.get("df", "?format=json").body) == [{"a": 1, "b": 'x,\n"y'}, {"a": 2, "b": None}]
    answer = variables.get("l", "?format=pickle")
    assert answer.headers["content-type"] == "application/octet-stream" and pickle.loads(answer.body) == [1, {"k": "é"}]
    assert answer.headers["content-disposition"].startswith('attachment; filename="l.pkl"')
    assert variables.get("arr", "?format=csv").body == b"1.0,0.0\r\n0.0,1.0\r\n"
    assert variables.get("df", "?format=csv&offset=1&limit=1").body == b",a,b\n1,2,\n"
    assert variables.one("d", "?format=json") == {"a": 1}


def test_names_beyond_ascii(variables):
    variables.put({"größe": 1, "变量": [2]})
    assert variables.run("print(größe, 变量)") == "1 [2]\n"
    answer = variables.get("变量", "?format=json")
    assert answer.headers["content-disposition"] == "attachment; filename=\"______.json\"; filename*=UTF-8''%E5%8F%98%E9%87%8F.json" and strict(answer.body) == [2]
    assert variables.delete("größe").status == 200


def test_exports_that_cannot_be(variables):
    variables.run("import numpy as np, pandas as pd\nbig = np.zeros(10**7)\ntext = 'x' * 20_000_000\nlong = list(range(3 * 10**6))\nf = open('t.txt', 'w')\ng = (i for i in [1])\nn = 5\ntable = pd.DataFrame(np.zeros((100_000, 30)))")
    for name in ("big", "text", "long", "table"):
        for form in ("json", "csv", "pickle"):
            answer = variables.get(name, f"?format={form}")
            assert (answer.status, answer.json["code"]) in ((413, "VARIABLE_TOO_LARGE"), (422, "VARIABLE_UNREADABLE")) or answer.status == 200, (name, form, answer)
    assert variables.get("big", "?format=pickle").json["code"] == "VARIABLE_TOO_LARGE"
    assert variables.get("long", "?format=json").json["code"] == "VARIABLE_TOO_LARGE"
    for query in ("f?format=pickle", "g?format=pickle", "n?format=csv", "g?format=json"):
        name, _, rest = query.partition("?")
        answer = variables.get(name, "?" + rest)
        assert answer.status == 422 and answer.json["code"] == "VARIABLE_UNREADABLE" and answer.json["message"], answer
    assert variables.get("n", "?format=xml").status == 400
    assert variables.get("nothing").json["code"] == "VARIABLE_NOT_FOUND"
    assert variables.get("nothing", "?format=csv").status == 404
    assert variables.get("x" * 2000).status == 404


# Setting


def test_put_arrives_in_python_and_merges(variables):
    variables.run("a = 1; b = 2")
    answer = variables.put({"b": [1, {"x": None}], "c": -0.0, "d": 0.1, "e": "é\u2028", "f": 2**53 + 1, "g": True})
    assert answer.status == 200 and answer.json["updated"] == ["b", "c", "d", "e", "f", "g"]
    assert set(answer.json["variables"]) == set("abcdefg") and answer.json["variables"]["b"]["value"] == [1, {"x": None}]
    assert variables.run("print(a, b, c, d, ascii(e), f, g)") == "1 [1, {'x': None}] -0.0 0.1 '\\xe9\\u2028' 9007199254740993 True\n"


@pytest.mark.parametrize("name", ["1a", "a-b", "", "a b", "class", "None", "__builtins__", "__name__", "get_ipython", "a\n", "€"])
def test_names_that_python_cannot_use(variables, name):
    answer = variables.put({"fine": 1, name: 2})
    assert answer.status == 400 and answer.json["message"], answer
    assert variables.list() == {}, "nothing is set when one cannot be"


@pytest.mark.parametrize("body", [b"[1]", b'"x"', b"5", b"{", b'{"a":NaN}', b'{"a":"\\ud800"}', b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}"])
def test_bodies_that_are_no_object(variables, body):
    answer = variables.client.request("PUT", variables.path, body, headers={"Content-Type": "application/json"})
    assert answer.status == 400 and answer.json["statusCode"] == 400


def test_too_many_at_once(variables):
    assert variables.put({f"v{i}": i for i in range(1001)}).status == 400
    assert variables.put({f"v{i}": i for i in range(1000)}).status == 200


def test_variables_of_session_and_execution_arrive(client):
    session = client.session(variables={"a": 1, "b": {"k": [1]}})
    variables = Variables(client, session)
    assert {n: v["value"] for n, v in variables.list().items()} == {"a": 1, "b": {"k": [1]}}
    assert variables.run("print(a, b, c)", variables={"c": 3, "a": 2}) == "2 {'k': [1]} 3\n"
    client.expect(200, "PATCH", f"/api/v1/sessions/{session}", {"variables": {"d": 4, "b": 0}})
    assert variables.list()["d"]["value"] == 4
    assert variables.run("print(a, b, c, d)") == "2 0 3 4\n"
    variables.run("d = 5")
    assert variables.run("print(d)") == "5\n", "they are set once"
    client.delete_session(session)


def test_the_session_object_has_its_variables(client):
    session = client.expect(201, "POST", "/api/v1/sessions", {})
    path = f"/api/v1/sessions/{session['id']}"
    assert session["variables"] == {} == client.get(path).json["variables"]
    client.execute("a = [1]\nclass H:\n  def __repr__(self):\n    while True: pass\nh = H()", session["id"], includeVariables=False)
    found = client.expect(200, "GET", path)["variables"]
    assert found["a"]["value"] == [1] and "took more than" in found["h"]["error"]
    found = client.expect(200, "PATCH", path, {"variables": {"b": 2}, "metadata": {"m": 1}})
    assert found["variables"]["b"]["value"] == 2 and found["metadata"] == {"m": 1}
    execution = client.start("import time\nprint('up')\ntime.sleep(1000)", session["id"])
    with client.events(execution) as events:
        events.next("stdout", "up")
        busy = client.expect(200, "GET", path)
        assert busy["busy"] is True and "variables" not in busy, "not waited for, and not made up"
        client.delete_session(session["id"])
    given = client.expect(201, "POST", "/api/v1/sessions", {"variables": {"x": 5}})
    assert given["variables"]["x"]["value"] == 5
    client.delete_session(given["id"])


def test_normal_forms(variables):
    assert variables.put({"\ufb01x": 1}).status == 200
    assert variables.run("print(fix, \ufb01x)") == "1 1\n"


# Deleting


def test_delete_and_clear(variables):
    variables.run("import math\na = b = c = 1\ndef f(): return math.floor(2.5)")
    answer = variables.delete("a")
    assert answer.status == 200 and answer.json == {"success": True, "message": "Variable 'a' deleted"}
    assert variables.delete("a").json["code"] == "VARIABLE_NOT_FOUND"
    for name in ("f", "math", "__name__", "__builtins__"):
        assert variables.delete(name).status == 404, name
    assert variables.delete().json == {"success": True, "message": "Session variables cleared"}
    assert variables.list() == {} and variables.run("print(f())") == "2\n"
    assert variables.delete().status == 200


def test_last_updated_tells_of_changes(variables, client):
    variables.run("a = 1")
    first = client.get(variables.path).json["lastUpdated"]
    assert client.get(variables.path).json["lastUpdated"] == first, "looking changes nothing"
    until(lambda: variables.put({"a": 2}).json["lastUpdated"] > first, "a change is later")


# When it cannot be


def test_while_a_cell_runs(variables, client):
    variables.run("a = 1")
    execution = client.start("import time\nprint('up')\ntime.sleep(1000)", variables.session)
    with client.events(execution) as events:
        events.next("stdout", "up")
        answer = client.get(variables.path)
        assert answer.status == 200 and answer.json["stale"] is True and set(answer.json["variables"]) == {"a"}, "by a copy"
        answer = variables.put({"b": 1})
        assert answer.status == 409 and answer.json["code"] == "SESSION_BUSY", "what changes must wait"
        client.expect(202, "DELETE", f"/api/v1/executions/{execution}")
        events.result()
    assert set(variables.list()) == {"a"}, "what was refused has not happened later"


def test_a_question_waits_for_a_short_cell_and_is_asked_before_the_next(variables, client):
    gate = "import pathlib, time\nprint('up')\nwhile not pathlib.Path('go').exists(): time.sleep(0.001)\na = 1\npathlib.Path('go').unlink()"
    execution = client.start(gate, variables.session)
    answers = []
    with client.events(execution) as events:
        events.next("stdout", "up")
        asking = threading.Thread(target=lambda: answers.append(client.get(variables.path)))
        asking.start()
        client.request("PUT", f"/api/v1/sessions/{variables.session}/files/go", b"", headers={"Content-Type": "application/octet-stream"})
        events.result()
        asking.join()
    assert answers[0].status in (200, 409)
    assert variables.list()["a"]["value"] == 1


def test_a_session_that_ends_meanwhile(client):
    session = client.session()
    variables = Variables(client, session)
    execution = client.start("import time\nprint('up')\ntime.sleep(1000)", session)
    answers = []
    with client.events(execution) as events:
        events.next("stdout", "up")
        asking = threading.Thread(target=lambda: answers.append(client.get(variables.path)))
        asking.start()
        client.delete_session(session)
        asking.join()
    assert answers[0].status in (409, 410), answers
    assert client.get(variables.path).json["code"] == "SESSION_GONE"


def test_no_such_session(client):
    for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/a"), ("DELETE", "/a")):
        answer = client.request(method, f"/api/v1/sessions/{NOBODY}/variables{path}", {} if method == "PUT" else None)
        assert answer.status == 404 and answer.json["code"] == "SESSION_NOT_FOUND", answer
    assert client.get("/api/v1/sessions/nonsense/variables").status in (400, 404)
    assert client.post(f"/api/v1/sessions/{NOBODY}/variables", {}).status == 405


def test_who_asks_and_leaves(variables, client):
    variables.run("class H:\n  def __repr__(self):\n    while True: pass\nx = H()")
    for _ in range(5):
        socket = client.socket()
        socket.sendall(f"GET {variables.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        socket.close()
    assert variables.run("print(1)") == "1\n"


def test_many_ask_at_once(variables, client):
    variables.run("import time\nclass H:\n  def __repr__(self):\n    time.sleep(0.05)\n    return 'H'\nx = H()")
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(client.get(variables.path))) for _ in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {a.status for a in answers} <= {200, 409, 429} and any(a.status == 200 for a in answers)
    until(lambda: variables.list()["x"].get("repr") == "H", "it is described in time")


def test_looking_is_no_use_of_a_session(variables, client):
    before = client.get(f"/api/v1/sessions/{variables.session}").json
    variables.list()
    after = client.get(f"/api/v1/sessions/{variables.session}").json
    assert after["lastActivity"] == before["lastActivity"] and after["resourceUsage"]["executions"] == 0
