"""What /validate says of code, and that the run-time policy says the same."""

import pytest

PENNY_README = "import numpy as np\nimport matplotlib.pyplot as plt\n\nx = np.linspace(0, 10, 100)\nplt.plot(x, np.sin(x))\nplt.show()\nprint('done')\n"

# (code, rules that must be found). Executed in the standard profile, each is refused.
BLOCKED = [
    ("import os", ["blocked.os"]),
    ("x = 1; import os", ["blocked.os"]),
    ("import math, os", ["blocked.os"]),
    ("if True: import os", ["blocked.os"]),
    ("from os.path import os", ["blocked.os"]),
    ("from os import path as p", ["blocked.os"]),
    ("import posix", ["blocked.posix"]),
    ("x=1; import posix", ["blocked.posix"]),
    ("import sys", ["blocked.sys"]),
    ("import subprocess as s", ["blocked.subprocess"]),
    ("def f():\n    import socket\nf()", ["blocked.socket"]),
    ("class A:\n    import ctypes.util", ["blocked.ctypes"]),
    ("try:\n    pass\nfinally:\n    import shutil", ["blocked.shutil"]),
    ("import urllib.request", ["blocked.urllib.request"]),
    ("from urllib import request", ["blocked.urllib.request"]),
    ("from urllib.request import urlopen", ["blocked.urllib.request"]),
    ("import http.client", ["blocked.http"]),
    ("import _socket", ["blocked.socket"]),
    ("import antigravity", ["not-allowed"]),
    ("import importlib", ["blocked.importlib"]),
    ("from importlib import import_module", ["blocked.importlib"]),
    ("import math, builtins as b; b.open('/etc/hostname')", ["blocked.builtins"]),
    ("import matplotlib; o = matplotlib.os; o.popen('id')", ["blocked.os"]),
    ("import matplotlib\nmatplotlib.os.system('id')", ["blocked.os"]),
    ("import matplotlib as m\nk = m\nk.os", ["blocked.os"]),
    ("import pandas.io.common as c\nc.os", ["blocked.os"]),
    ("from logging import os", ["blocked.os"]),
    ("from logging import os as harmless", ["blocked.os"]),
    ("import random\nrandom._os", ["blocked.os"]),
    ("from random import _os", ["blocked.os"]),
    ("import matplotlib\ngetattr(matplotlib, 'os')", ["blocked.os"]),
    ("import matplotlib\ngetattr(matplotlib, 'o' + 's')", ["blocked.os"]),
    ("import matplotlib\nmatplotlib.__dict__['os']", ["blocked.os"]),
    ("import matplotlib\nvars(matplotlib)['os']", ["blocked.os"]),
    ("import matplotlib\nmatplotlib.__getattribute__('os')", ["blocked.os"]),
    ("import matplotlib, operator\noperator.attrgetter('os.path')(matplotlib)", ["blocked.os"]),
    ("import matplotlib\n(o := matplotlib).os", ["blocked.os"]),
    ("import asyncio\nasyncio.create_subprocess_shell('id')", ["restricted.asyncio"]),
    ("from asyncio import open_connection", ["restricted.asyncio"]),
    ("import urllib\nurllib.request", ["restricted.urllib", "blocked.urllib.request"]),
    ("eval('1')", ["restricted.builtins.eval"]),
    ("exec('import os')", ["restricted.builtins.exec"]),
    ("compile('1', '', 'eval')", ["restricted.builtins.compile"]),
    ("__import__('os')", ["restricted.builtins.__import__", "blocked.os"]),
    ("e = eval\ne('1')", ["restricted.builtins.eval"]),
    ("list(map(eval, ['1']))", ["restricted.builtins.eval"]),
    ("__builtins__['__import__']('os')", ["attribute.__builtins__"]),
    ("globals()['__builtins__']", ["attribute.__builtins__"]),
    ("print.__self__.eval('1+1')", ["attribute.__self__"]),
    ("().__class__.__base__.__subclasses__()", ["attribute.__subclasses__"]),
    ("(lambda: 0).__globals__", ["attribute.__globals__"]),
    ("getattr(lambda: 0, '__globals__')", ["attribute.__globals__"]),
    ("getattr(lambda: 0, '__glo' + 'bals__')", ["attribute.__globals__"]),
    ("__loader__.load_module('posix')", ["attribute.__loader__"]),
    ("import math\nmath.__spec__", ["attribute.__spec__"]),
    ("g = (i for i in [1])\ng.gi_frame.f_back", ["attribute.gi_frame", "attribute.f_back"]),
    ("try:\n    1/0\nexcept Exception as e:\n    e.__traceback__.tb_frame.f_globals", ["attribute.tb_frame", "attribute.f_globals"]),
    ("!ls", ["blocked.subprocess"]),
    ("x = !ls", ["blocked.subprocess"]),
    ("%system ls", ["blocked.subprocess"]),
    ("import os\nwhile True:\n    os.fork()", ["blocked.os"]),
    ("\ufeffimport matplotlib; matplotlib.os", ["blocked.os"]),
]

# Nothing is found in these, and each runs in the standard profile.
ALLOWED = [
    "if __name__ == '__main__':\n    x = 1",
    "class A:\n    def __init__(self):\n        self.x = super().__init__()\nA()",
    "import re\nre.compile('a').match('a')",
    "import pandas as pd\npd.DataFrame({'a': [1]}).eval('b = a + 1')",
    "direction = 'north'\ndirectory = [direction]",
    "# import os; os.system('id') is not called here\nx = 1",
    "x = 'import os; eval(1); __globals__ are only text'",
    "'''\nimport os\nos.system(1)\n'''",
    "import urllib.parse\nurllib.parse.quote('a b')",
    "from urllib import parse\nfrom urllib.parse import urlparse",
    "from base64 import b64encode\nb64encode(b'a')",
    "from hashlib import sha256, md5\nsha256(b'a').hexdigest()",
    "print('hello')",
    "s = '\\n'.join(['a', 'b'])\nt = \"\\\\\"",
    "import pandas as pd\ndf = pd.DataFrame({'os': [1], 'sys': [2], 'platform': [3], 'code': [4]})\n(df.os + df.sys + df.platform + df['code']).sum()",
    "class R:\n    os = 1\n    def eval(self): return 2\n    def compile(self): return 3\nR().os + R().eval() + R().compile()",
    "def compile(x): return x\ncompile(1)",
    "row = {'os': 'linux'}\nrow['os']",
    "getattr(3, 'real'); hasattr(3, 'imag'); globals(); dir(); vars()",
    "for code, error in [(1, 2)]:\n    signal = code + error",
    "import matplotlib.pyplot as plt\nplt.plot([1]).__class__",
    "open('a.txt', 'w').write('x')",
    "with open('b.txt', 'w') as f:\n    f.write('x')",
    "input_file = 'x'\nexit_code = 0\nhelper = quit_now = 1",
    "import asyncio\nawait asyncio.sleep(0)",
    "from __future__ import annotations\nx: int = 1",
    "%pwd",
    "import numpy as np\nx = np.array([1, 2])\nx.__class__.__name__, x.__dict__ if hasattr(x, '__dict__') else None",
    "type('A', (), {'x': 1})().__dict__",
    "import zlib, gzip, base64\nbase64.b64decode(zlib.decompress(zlib.compress(b'')))",
    "\ufeffx = 1",
]


def analyze(worker, code, kind="all", **options):
    reply = worker.inspect(op="analyze", kind=kind, code=code, **{"profile": "standard", **options})
    assert reply["ok"], reply
    return reply["result"]


@pytest.fixture(scope="module")
def analyst(make_drive):
    return make_drive("standard").fork()


@pytest.fixture(scope="module")
def shared(make_drive):
    return make_drive("standard")


@pytest.mark.parametrize("code, rules", BLOCKED)
def test_blocked_beforehand_and_when_it_runs(analyst, shared, code, rules):
    result = analyze(analyst, code)
    found = [i["rule"] for i in result["issues"] if i["type"] == "error"]
    assert set(rules) & set(found), result
    assert result["valid"] is False and result["security"]["allowed"] is False and result["security"]["violations"]
    run = shared.fork().run(code)
    assert run.status == "rejected", (run.status, run.error)
    assert run.error["type"] == "PolicyViolation" and any(f"rule {r}" in run.error["message"] or r == "not-allowed" for r in rules), run.error


@pytest.mark.parametrize("code", ALLOWED)
def test_allowed_beforehand_and_when_it_runs(analyst, shared, code):
    result = analyze(analyst, code)
    assert [i for i in result["issues"] if i["type"] == "error"] == [] and result["valid"] is True, result
    assert result["security"] == {"allowed": True, "riskLevel": "low", "violations": []}
    run = shared.fork().run(code)
    assert run.status == "ok", run.error


def test_what_a_session_has(analyst):
    assert not analyze(analyst, "import zzz")["valid"]
    for _ in range(2):
        result = analyze(analyst, "import zzz", installed=["zzz", 7])
        assert result["valid"] and not [i for i in result["issues"] if i["rule"] == "not-installed"]
        assert not analyze(analyst, "import zzz")["valid"], "the next session's code is judged by what that has"
    assert analyze(analyst, "m.os")["valid"] and not analyze(analyst, "m.os", names={"m": "matplotlib", "n": 7, "o": "none.such"})["valid"]


def test_a_module_from_an_earlier_cell(standard):
    assert standard.run("import matplotlib as quiet").status == "ok"
    run = standard.run("x = 1\nquiet.os.system('id')")
    assert run.status == "rejected" and run.error["line"] == 2 and "rule blocked.os" in run.error["message"]
    assert standard.run("x").status == "error", "nothing of a refused cell has run"


def test_a_module_of_ones_own_is_judged_too(standard, standard_drive):
    (standard_drive.workspace / "sly.py").write_text("import matplotlib\nmatplotlib.os.getpid()\n")
    run = standard.run("import sly")
    assert run.status == "rejected" and "rule blocked.os" in run.error["message"]


def test_the_open_profile_finds_nothing(analyst, worker):
    for code in ("import os", "eval('1')", "import matplotlib\nmatplotlib.os", "().__class__.__base__.__subclasses__();"):
        result = analyze(analyst, code, profile="open")
        assert result["valid"] and result["security"]["allowed"], result
        assert worker.run(code).status == "ok"


def test_the_readme_of_penny_is_fine(analyst):
    result = analyze(analyst, PENNY_README)
    assert result["valid"] and result["issues"] == [] and result["security"]["riskLevel"] == "low"
    assert result["analysis"]["imports"] == ["numpy", "matplotlib.pyplot"] and result["analysis"]["variables"] == ["x"]


@pytest.mark.parametrize(
    "code, line, column, kind",
    [
        ("x = (", 1, 5, "SyntaxError"),
        ("a = 1\nb = = 2", 2, 5, "SyntaxError"),
        ("é = 'ü' ü", 1, 9, "SyntaxError"),
        ("if True:\nx = 1", 2, 1, "IndentationError"),
        ("if True:\n\tx = 1\n        y = 2", 3, None, "TabError"),
        ("return 1", 1, 1, "SyntaxError"),
        ("def f():\n    nonlocal q", 2, 5, "SyntaxError"),
        ("break", 1, 1, "SyntaxError"),
        ("'abc", 1, 1, "SyntaxError"),
        ("'''abc", 1, 1, "SyntaxError"),
        ("x = 'a\\", 1, None, "SyntaxError"),
        ("print 'a'", 1, 1, "SyntaxError"),
        ("def f(a, a): pass", 1, None, "SyntaxError"),
        ("from __future__ import nonsense", 1, None, "SyntaxError"),
        ("(" * 500, 1, None, "SyntaxError"),
        ("-" * 100_000 + "1", 1, None, "SyntaxError"),
        ("x" + ".a" * 100_000, 1, None, "SyntaxError"),
        ("x = " + "9" * 5000, 1, None, "SyntaxError"),
    ],
)
def test_syntax_errors_have_true_positions(analyst, code, line, column, kind):
    result = analyze(analyst, code, "syntax")
    (error,) = result["errors"]
    assert result["valid"] is False and error["type"] == kind and error["line"] == line and error["message"], error
    assert column is None or error["column"] == column, error
    whole = analyze(analyst, code)
    (issue,) = [i for i in whole["issues"] if i["rule"] == "syntax"]
    assert whole["valid"] is False and (issue["line"], issue["severity"], issue["type"]) == (line, "critical", "error")


@pytest.mark.parametrize("code", ["x = 1", "await f()", "async with a as b: pass", "s = \"\\n\"", "s = '\\\\'", "%timeit 1", "!ls", "?print", "%%time\nx = 1", "\n\n", "# only", "match x:\n    case 1: pass"])
def test_valid_syntax(analyst, code):
    assert analyze(analyst, code, "syntax") == {"valid": True, "errors": []}


def test_positions_of_findings_count_characters(analyst):
    code = "é = 'ü'; import os\n\n\nif é:\n    import socket"
    issues = analyze(analyst, code)["issues"]
    assert [(i["rule"], i["line"], i["column"]) for i in issues] == [("blocked.os", 1, 10), ("blocked.socket", 5, 5)]


def test_violations_in_the_words_of_penny(analyst):
    found = analyze(analyst, "import os\nimport antigravity\neval('1')\nimport importlib\nfrom asyncio import open_connection\n!ls", "security")
    assert found["violations"] == [
        "CRITICAL: Blocked import 'os' at line 1",
        "MEDIUM: Import 'antigravity' not in allowlist at line 2",
        "CRITICAL: Code execution functions detected (eval/exec) at line 3",
        "CRITICAL: Dynamic import detected at line 4",
        "HIGH: Restricted function 'open_connection' from 'asyncio' at line 5",
        "CRITICAL: System command execution detected at line 6",
    ]
    assert found["allowed"] is False and found["riskLevel"] == "critical"


def test_details_name_only_what_is_blocked(analyst):
    details = analyze(analyst, "import numpy, os, json\nprint(eval('1'), numpy.os)\n(lambda: 0).__globals__", "security")["details"]
    assert details["blockedImports"][0] == "os" and "numpy" not in details["blockedImports"] and "json" not in details["blockedImports"]
    assert details["restrictedKeywords"] == ["eval", "__globals__"] and "__globals__" in details["dangerousPatterns"]
    assert analyze(analyst, "import numpy", "security")["details"] == {"blockedImports": [], "dangerousPatterns": [], "restrictedKeywords": []}


def test_risk_is_that_of_the_worst(analyst):
    assert analyze(analyst, "import antigravity", "security")["riskLevel"] == "medium"
    assert analyze(analyst, "from asyncio import start_server\nimport antigravity", "security")["riskLevel"] == "high"


@pytest.mark.parametrize(
    "code, expected",
    [
        ("x = 1", 1),
        ("if a:\n    pass\nelif b:\n    pass\nelse:\n    pass", 3),
        ("for i in a:\n    while b and c or d:\n        pass", 5),
        ("try:\n    pass\nexcept A:\n    pass\nexcept B:\n    pass\nfinally:\n    pass", 3),
        ("[x for x in y if x if not x]", 4),
        ("x = a if b else c\nassert x", 3),
        ("match x:\n    case 1: pass\n    case 2: pass", 3),
        ("# if for while try\ns = 'if else for'\nwith a: pass", 1),
    ],
)
def test_complexity(analyst, code, expected):
    assert analyze(analyst, code)["analysis"]["complexity"] == expected


def test_analysis(analyst):
    code = '''"""doc
# not a comment
"""
# a comment

import numpy as np, os.path
from collections.abc import Mapping

a = b = 1
(c, *d) = [1, 2]
for e in range(3): pass
def f(x):
    y = 2
    def inner(): pass
    return f(x)
async def g(): pass
class K:
    z = 1
a += 1
'''
    analysis = analyze(analyst, code)["analysis"]
    assert analysis["imports"] == ["numpy", "os.path", "collections.abc"]
    assert analysis["functions"] == ["f", "g", "inner"] and analysis["classes"] == ["K"]
    assert analysis["variables"] == ["a", "b", "c", "d", "e"]
    assert analysis["linesOfCode"] == 16
    assert analysis["hasHighRiskPatterns"] is True  # os.path
    assert analysis["estimatedExecutionTime"] == 100 + 10 * 2 + 50 + 200 + 200


def test_loops_without_end_and_allocations_are_told_and_allowed(analyst):
    for code, rule in (("while True:\n    pass", "infinite-loop"), ("x = bytearray(10**11)", "large-allocation"), ("y = [0] * (1 << 40)", "large-allocation")):
        result = analyze(analyst, code)
        assert result["valid"] and result["security"]["allowed"] and [i["rule"] for i in result["issues"]] == [rule]
        assert result["analysis"]["hasHighRiskPatterns"] is True
        assert analyze(analyst, code, strict=True)["valid"] is False
    for code in ("while True:\n    if x: break", "while True:\n    y = input()", "def f():\n    while True:\n        yield 1", "x = [0] * 10", "x = 2 ** 10", "while x:\n    pass"):
        assert analyze(analyst, code)["issues"] == [], code
    assert [i["rule"] for i in analyze(analyst, "while True:\n    for i in x: break")["issues"]] == ["infinite-loop"]


def test_style_and_what_the_switches_mean(analyst):
    code = "x = 1 \nif x:\n\ty = '" + "a" * 130 + "'\nz = '''in a string  \n\tx\n'''\n"
    issues = analyze(analyst, code)["issues"]
    assert [(i["rule"], i["line"], i["type"], i["severity"]) for i in issues] == [("whitespace", 1, "info", "low"), ("indentation", 3, "warning", "low"), ("line-length", 3, "warning", "low")]
    assert analyze(analyst, code)["valid"] is True
    assert analyze(analyst, code, includeWarnings=False)["issues"] == []
    assert analyze(analyst, code, strict=True)["valid"] is False
    assert analyze(analyst, "x = 1 ", strict=True)["valid"] is True, "an info is no warning"
    refused = analyze(analyst, "import os \n", strict=True, includeWarnings=False)
    assert refused["valid"] is False and [i["rule"] for i in refused["issues"]] == ["blocked.os"]


def test_warnings_of_the_compiler(analyst):
    issues = analyze(analyst, "x = 1\nif x is 1: pass\ny = '\\d'")["issues"]
    assert [(i["rule"], i["line"]) for i in issues] == [("syntax-warning", 2), ("syntax-warning", 3)]


def test_modules_that_are_not_installed(analyst):
    (issue,) = analyze(analyst, "import cv2.something")["issues"]
    assert issue["rule"] == "not-installed" and "cv2" in issue["message"] and issue["type"] == "warning"


@pytest.mark.parametrize(
    "code, kind, line",
    [
        ("r = []\nfor i in x:\n    r.append(i)", "performance", 2),
        ("for i, row in df.iterrows():\n    print(row)", "performance", 1),
        ("for i in range(len(x)):\n    print(x[i])", "style", 1),
        ("try:\n    pass\nexcept:\n    pass", "best-practice", 3),
        ("def f(a=[]): pass", "best-practice", 1),
        ("x == None", "style", 1),
        ("import os", "security", 1),
        ("\n".join(f"if x{i}: pass" for i in range(12)), "best-practice", None),
    ],
)
def test_suggestions(analyst, code, kind, line):
    found = analyze(analyst, code)["suggestions"]
    assert [(s["type"], s.get("line")) for s in found] == [(kind, line)] and found[0]["message"]


def test_suggestions_name_what_is_allowed_instead(analyst):
    (suggestion,) = analyze(analyst, "import urllib.request")["suggestions"]
    assert "urllib.parse" in suggestion["message"]


def test_nothing_of_the_code_is_run(analyst):
    before = analyst.inspect(op="names")["names"]
    analyze(analyst, "created = 1\nprint('x')\n1/0")
    assert analyst.inspect(op="names")["names"] == before


def test_a_large_text(analyst):
    code = "\n".join(f"x{i} = [{i}, 'text', {{'a': {i}}}]  # comment" for i in range(12_000))
    result = analyze(analyst, code)
    assert result["valid"] and result["analysis"]["linesOfCode"] == 12_000 and len(result["analysis"]["variables"]) == 50


def test_another_policy_is_obeyed(make_drive, tmp_path):
    import json

    (tmp_path / "imports.json").write_text(json.dumps({"allowed": ["os"], "blocked": ["json"]}))
    worker = make_drive("standard", preload=["IPython"], imports=tmp_path / "imports.json").fork()
    assert analyze(worker, "import os\neval('1')\n__builtins__")["valid"] is True
    assert [i["rule"] for i in analyze(worker, "import json")["issues"]] == ["blocked.json"]
