"""The import policy of the standard profile."""

import json

import pytest

REFUSED = [
    "import os",
    "import sys",
    "x = 1; import os",
    "import math, os",
    "if True: import os",
    "def f():\n    import os\nf()",
    "class A:\n    import subprocess",
    "from os import path",
    "from os.path import os",
    "from os.path import join",
    "x=1; import posix",
    "import urllib.request",
    "from urllib import request",
    "import http.client",
    "from concurrent.futures import ThreadPoolExecutor",
    "import _socket",
    "import importlib",
    "from importlib import import_module",
    "__import__('os')",
    "eval('1')",
    "exec('import os')",
    "compile('1', '', 'eval')",
    "__builtins__['__import__']('os')",
    "__import__('os', globals(), locals(), [], 0)",
    "import ctypes.util",
    "import antigravity",
    "import asyncio\nfrom asyncio import open_connection",
    "from matplotlib import os" if False else "from logging import os",
    "!ls",
    "%system ls",
    "x = !ls",
    "from math import floor\nimport socket",
    "[__import__('os') for i in range(1)]",
    "(lambda: __import__('os'))()",
]

ALLOWED = [
    "import math, json, re, random, datetime, collections, itertools",
    "import numpy as np\nnp.zeros(3).sum();",
    "import pandas as pd\npd.DataFrame({'a': [1]}).describe();",
    "import pandas as pd\npd.DataFrame({'a': [1]}).eval('b = a + 1');",
    "import matplotlib.pyplot as plt\nplt.plot([1]);",
    "from scipy import stats\nstats.norm.pdf(0);",
    "import sklearn.linear_model\nsklearn.linear_model.LinearRegression().fit([[1], [2]], [1, 2]);",
    "import seaborn, sympy, plotly.express",
    "import urllib.parse\nfrom urllib import parse\nfrom urllib.parse import quote",
    "import statistics\nstatistics.mean([1, 2]);",
    "from typing import List, Dict\nimport hashlib, base64, dataclasses",
    "import re\nre.compile('a');",
    "if __name__ == '__main__': pass",
    "class A:\n    def __init__(self): self.x = super().__init__()\nA();",
    "getattr(A := type('A', (), {'x': 1}), 'x'); hasattr(1, 'x'); globals(); dir();",
    "# os.system is not called here\ndirection = 'import os'",
    "open('a.txt', 'w').write('x')\nopen('a.txt').read();",
    "from PIL import Image\nImage.new('L', (1, 1));",
    "import asyncio\nasyncio.run(asyncio.sleep(0))",
    "import asyncio\nawait asyncio.sleep(0)",
    "import datetime, time\ndatetime.datetime.strptime('2020', '%Y'); time.strptime('2020', '%Y');",
    "import numpy as np\nnp.zeros(3).tofile('a.bin'); np.fromfile('a.bin');",
    "import collections.abc, xml.etree.ElementTree",
    "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\nP(1);",
    "from collections import namedtuple\nnamedtuple('P', 'x')(1);",
    "from __future__ import annotations",
    "import tempfile\ntempfile.TemporaryDirectory();",
    "%timeit -n1 -r1 pass",
    "%pwd",
]


@pytest.mark.parametrize("code", REFUSED)
def test_refused(standard, code):
    r = standard.run("print('before')\n" + code)
    assert r.status == "rejected", (r.status, r.error)
    e = r.error
    assert e["type"] == "PolicyViolation" and "not allowed in the standard profile" in e["message"]
    assert "penny_runtime" not in e["traceback"] and e["traceback"].strip().split("\n")[-1].startswith("PolicyViolation: ")
    assert standard.run("print('alive')").stdout == "alive\n"


@pytest.mark.parametrize("code", ALLOWED)
def test_allowed(standard, code):
    r = standard.run(code)
    assert r.status == "ok", r.error


def test_the_refusal_names_module_rule_and_way_round(standard):
    m = standard.run("import os").error["message"]
    assert "import os" in m and "rule blocked.os" in m and "pathlib" in m and "Allowed are " in m
    m = standard.run("from urllib import request").error["message"]
    assert "urllib.request" in m and "Allowed instead: urllib.parse" in m
    m = standard.run("import antigravity").error["message"]
    assert "not on the list" in m
    m = standard.run("eval('1')").error["message"]
    assert "eval()" in m and "rule restricted.builtins.eval" in m
    assert standard.run("x = 1\nimport os").error["line"] == 2


def test_it_is_an_import_error(standard):
    r = standard.run("try:\n    import os\nexcept ImportError as e:\n    print(e.name)")
    assert r.stdout == "os\n" and r.status == "ok"


def test_a_missing_module_is_no_violation(standard):
    r = standard.run("import cv2")
    assert r.status == "error" and r.error["type"] == "ModuleNotFoundError"


def test_own_modules(standard, standard_drive):
    (standard_drive.workspace / "mine.py").write_text("import math\nvalue = math.floor(1.5)\n")
    (standard_drive.workspace / "evil.py").write_text("import os\n")
    (standard_drive.workspace / "package").mkdir()
    (standard_drive.workspace / "package" / "__init__.py").write_text("from . import inner\n")
    (standard_drive.workspace / "package" / "inner.py").write_text("from math import pi\nimport subprocess\n")
    assert standard.run("import mine\nprint(mine.value)").stdout == "1\n"
    assert standard.run("import evil").status == "rejected"
    assert standard.run("import package").status == "rejected"


def test_libraries_import_what_they_like(standard):
    """Modules that are imported only now, and import blocked ones themselves."""
    assert standard.run("import sqlite3, unittest.mock, doctest, sklearn.datasets").status == "ok"


def test_open_profile(worker):
    for code in ("import os, sys, subprocess", "eval('1'); exec('x = 1')", "!true", "import ctypes, socket, threading"):
        assert worker.run(code).status == "ok"


def test_profile_by_setup(standard):
    assert standard.run("import os", profile="open").status == "ok"
    assert standard.run("import sys").status == "ok"  # it lasts
    assert standard.run("import os", profile="standard").status == "rejected"
    assert standard.run("import os", profile="open").status == "ok"


def test_functions_defined_in_the_standard_profile_stay_judged(standard):
    standard.run("def f():\n    import os")
    assert standard.run("f()").status == "rejected"


@pytest.mark.parametrize(
    "document, refused, allowed",
    [
        ({"allowed": ["numpy"], "blocked": ["os"]}, ["import os", "import json"], ["import numpy", "import numpy.linalg"]),
        ({}, ["import json"], ["print(1)", "open('x', 'w')"]),
        ({"allowed": ["os"], "blocked": ["os.path"]}, ["import os.path", "from os import path"], ["import os"]),
        ({"allowed": ["base64"], "restricted": {"base64": {"allowed": ["b64encode"], "blocked": []}}}, ["from base64 import b64decode"], ["from base64 import b64encode", "import base64"]),
        ({"allowed": ["math"], "restricted": {"builtins": {"allowed": [], "blocked": ["open", "getattr", "nonsense"]}}}, ["open('x')", "getattr(1, 'x')"], ["eval('1')"]),
    ],
)
def test_other_policies(make_drive, tmp_path, document, refused, allowed):
    (tmp_path / "imports.json").write_text(json.dumps(document))
    drive = make_drive("standard", preload=["numpy", "IPython"], imports=tmp_path / "imports.json")
    worker = drive.fork()
    for code in refused:
        assert worker.run(code).status == "rejected", code
    for code in allowed:
        r = worker.run(code)
        assert r.status == "ok", (code, r.error)


def test_the_runtimes_own_modules_are_never_a_users(worker):
    """Also not for who goes to where they lie."""
    r = worker.run("""
import os
from penny_runtime import import_hook
place, home = os.path.dirname(import_hook.__file__), os.getcwd()
os.chdir(os.path.dirname(place))
import_hook.UserModules.scope, scope = {}, import_hook.UserModules.scope
try:
    print(import_hook.UserModules.find_spec('penny_runtime.values', [place]), import_hook.UserModules.find_spec('values', [place]) is not None)
finally:
    import_hook.UserModules.scope = scope
    os.chdir(home)
""")
    assert r.stdout == "None True\n", r.error
