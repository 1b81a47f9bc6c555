"""IPython's cell syntax, and what a plain cell pays for it."""

import pytest
from wire import DISPLAY


def test_command(worker):
    r = worker.run("print('a')\n!echo hello; echo err >&2\nprint('b')")
    assert r.stdout == "a\nhello\nb\n" and r.stderr == "err\n" and r.status == "ok"


def test_command_with_a_variable(worker):
    assert worker.run("x = 5\n!echo {x} $x").stdout == "5 5\n"


def test_command_captured(worker):
    assert worker.run("lines = !printf 'a\\nb\\n'\nprint(list(lines))").stdout == "['a', 'b']\n"


def test_command_status(worker):
    worker.run("!exit 3")
    assert worker.run("print(_exit_code)").stdout == "3\n"


def test_indentation(worker):
    assert worker.run("    x = 1\n    print(x)").stdout == "1\n"
    assert worker.run(">>> x = 2\n>>> print(x)").stdout == "2\n"


def test_help(worker):
    r = worker.run("def f():\n    'the doc'\nf?")
    assert "the doc" in r.stdout and r.status == "ok"
    assert "def f" in worker.run("f??").stdout


@pytest.mark.parametrize("code", ["%timeit -n1 -r1 pass", "%time x = 1", "%%time\ny = 2\nprint('in')", "%who", "%pwd", "%lsmagic", "%env HOME", "%precision 3"])
def test_magics(worker, code):
    r = worker.run(code)
    assert r.status == "ok" and r.stderr == "" and r.events[0].kind != 71


def test_magic_results_are_shown(worker):
    assert worker.run("%pwd").main["text/plain"].startswith("'/")
    assert worker.run("x = %pwd\nprint(x)").stdout.startswith("/")


def test_cell_magics_see_the_names(worker):
    worker.run("%%time\nmade = 5")
    assert worker.run("print(made)").stdout == "5\n"
    assert worker.run("%%capture out\nprint('hidden')\ndisplay(1)").stdout == ""
    assert worker.run("print(out.stdout, len(out.outputs))").stdout == "hidden\n 1\n"
    assert worker.run("%%bash\necho from bash").stdout == "from bash\n"
    assert worker.run("%%writefile made.txt\nin the file").status == "ok"
    assert worker.run("print(open('made.txt').read())").stdout == "in the file\n\n"


def test_matplotlib_inline(worker):
    r = worker.run("%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2]);")
    assert len(r.plots) == 1 and r.status == "ok"
    r = worker.run("%config InlineBackend.figure_format = 'svg'\nplt.plot([1, 2]);")
    assert [p["format"] for p in r.plots] == ["svg"]


def test_pip(worker):
    r = worker.run("!pip --version\n%pip --version")
    assert r.stdout.count("pip ") >= 2
    assert "numpy" in worker.run("%pip list").stdout


def test_errors_in_magics(worker):
    r = worker.run("%no_such_magic")
    assert r.status == "error" and "no_such_magic" in r.error["message"]
    r = worker.run("def f(): 1/0\n%timeit -n1 -r1 f()")
    assert r.status == "error" and r.error["type"] == "ZeroDivisionError"
    assert "penny_runtime" not in r.error["traceback"] and "/IPython/" not in r.error["traceback"]


def test_get_ipython(worker):
    assert worker.run("print(type(get_ipython()).__name__, get_ipython().user_ns is globals())").stdout == "Shell True\n"
    assert worker.run("from IPython import get_ipython as g\nprint(g() is get_ipython())").stdout == "True\n"
    assert worker.run("get_ipython().run_line_magic('pwd', '')").main is not None
    assert worker.run("get_ipython().system('echo x')").stdout == "x\n"
    assert worker.run("print(get_ipython().run_cell('1 + 1').result)").stdout.endswith("2\n")


def test_top_level_await(worker):
    r = worker.run("import asyncio\nawait asyncio.sleep(0)\nprint('a')\nx = await asyncio.sleep(0, 5)\nx")
    assert r.stdout == "a\n" and r.main == {"text/plain": "5"}
    assert worker.run("async with asyncio.timeout(5): print('in')").stdout == "in\n"
    assert worker.run("async def g():\n  for i in range(3): yield i\nprint([i async for i in g()])").stdout == "[0, 1, 2]\n"


def test_one_loop_for_all_cells(worker):
    worker.run("import asyncio\nloop = asyncio.get_running_loop() if False else None\nq = asyncio.Queue()\nasync def f():\n  await q.put('from the task')\nt = asyncio.ensure_future(f()) if False else None\nawait asyncio.sleep(0)\nt = asyncio.create_task(f())")
    assert worker.run("print(await q.get())").stdout == "from the task\n"


def test_asyncio_run_still_works(worker):
    worker.run("import asyncio\nawait asyncio.sleep(0)")
    assert worker.run("asyncio.run(asyncio.sleep(0))\nprint('ok')").stdout == "ok\n"
    assert worker.run("await asyncio.sleep(0)\nprint('again')").stdout == "again\n"


def test_error_in_an_awaited_call(worker):
    e = worker.run("async def f():\n    1/0\nawait f()").error
    assert e["type"] == "ZeroDivisionError" and e["line"] == 2
    assert "asyncio" not in e["traceback"] and "penny_runtime" not in e["traceback"]


def test_plain_cells_never_reach_ipython(worker):
    worker.run("import sys\nprofile = []\ndef note(frame, event, arg):\n    profile.append(frame.f_code.co_filename)")
    worker.run("sys.setprofile(note)")
    worker.run("x = 1\nx += 1\nprint(x)")
    worker.run("sys.setprofile(None)")
    r = worker.run("print([f for f in profile if 'IPython' in f or 'traitlets' in f])")
    assert r.stdout == "[]\n"


def test_auto_magic(worker):
    assert worker.run("cd /").status == "ok"
    assert worker.run("import os\nprint(os.getcwd())").stdout == "/\n"


def test_pylab(worker):
    assert worker.run("%pylab inline").status == "ok"
    assert worker.run("print(linspace(0, 1, 2))").stdout == "[0. 1.]\n"


def test_run_a_script(worker, drive):
    (drive.workspace / "script.py").write_text("y = 7\nprint(__name__, y)\n")
    assert worker.run("%run script.py").stdout == "__main__ 7\n"
    assert worker.run("y").main == {"text/plain": "7"}


def test_reset(worker):
    worker.run("x = 5")
    assert worker.run("%reset -f").status == "ok"
    assert worker.run("x").error["type"] == "NameError"
    assert worker.run("print('ok')\n1").of(DISPLAY)
