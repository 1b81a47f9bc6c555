"""E2B's own SDKs, as they come from the package index and from npm: only where the service is, and a key, are said to them."""

import asyncio
import threading

import pytest

from e2b_sdk import e2b, interpreter, sandbox, service, settings  # noqa: F401: fixtures
from harness import ROOT, node, until

def test_life(sandbox):
    info = sandbox.get_info()
    assert info.state == e2b.SandboxState.RUNNING and info.metadata == {"user": "a b&c=d"} and sandbox.is_running()
    found = interpreter.Sandbox.list(query=e2b.SandboxQuery(metadata={"user": "a b&c=d"})).next_items()
    assert sandbox.sandbox_id in [s.sandbox_id for s in found]
    assert interpreter.Sandbox.list(query=e2b.SandboxQuery(metadata={"user": "nobody"})).next_items() == []
    sandbox.set_timeout(500)
    assert (sandbox.get_info().end_at - info.end_at).total_seconds() > 300
    sandbox.run_code("x = 42")
    sandbox.pause()
    assert not sandbox.is_running() and sandbox.get_info().state == e2b.SandboxState.PAUSED
    again = interpreter.Sandbox.connect(sandbox.sandbox_id)
    assert again.is_running() and again.run_code("x").text == "42"
    assert again.kill() is True and again.kill() is False and not again.is_running()
    with pytest.raises(e2b.NotFoundException):
        interpreter.Sandbox.connect(sandbox.sandbox_id)


def test_run_code(sandbox):
    seen = {"out": [], "err": [], "results": [], "errors": []}
    run = sandbox.run_code("import os, sys\nprint('out', os.environ['A'], os.environ['COLOUR'])\nprint('err', file=sys.stderr)\n'a text'", envs={"A": "b"},
                           on_stdout=lambda m: seen["out"].append(m.line), on_stderr=lambda m: seen["err"].append(m.line), on_result=seen["results"].append,
                           on_error=seen["errors"].append)
    assert (run.text, run.execution_count, run.error) == ("a text", 1, None)
    assert (seen["out"], seen["err"], seen["errors"]) == (["out b blue\n"], ["err\n"], []) and [r.text for r in seen["results"]] == ["a text"]
    error = sandbox.run_code("1/0", on_error=seen["errors"].append).error
    assert (error.name, error.value) == ("ZeroDivisionError", "division by zero") and "1/0" in error.traceback and len(seen["errors"]) == 1


def test_results_in_all_formats(sandbox):
    results = sandbox.run_code("""
from IPython.display import *
class Document:
    def _repr_pdf_(self): return b'%PDF-1.4'
    def _repr_jpeg_(self): return b'not really'
display(HTML('<b>h</b>'), Markdown('# m'), JSON({'a': [1]}), Latex('$x$'), SVG('<svg xmlns="http://www.w3.org/2000/svg"/>'), Javascript('1'), Document())
display({'text/plain': 't', 'application/x-own': 'v'}, raw=True)
from PIL import Image
Image.new('RGB', (4, 4)).show()
'a text'""").results
    formats = [set(r.formats()) - {"text"} for r in results]
    assert formats == [{"html"}, {"markdown"}, {"json"}, {"latex"}, {"svg"}, {"javascript"}, {"pdf", "jpeg"}, {"application/x-own"}, {"png"}, set()], "in their order"
    assert results[2].json == {"a": [1]} and [r.is_main_result for r in results] == [False] * 9 + [True] and results[9].text == "a text"


CHARTS = """
import matplotlib.pyplot as plt, datetime
figure, axes = plt.subplots()
axes.plot([datetime.date(2024, 1, 1), datetime.date(2024, 1, 2)], [1, 2], label='way')
axes.set(title='Line', xlabel='Time (s)', ylabel='Way')
plt.show()
plt.scatter([1, 2], [3, 4]); plt.show()
plt.bar(['a', 'b'], [1, 2]); plt.show()
plt.pie([1, 3], labels=['a', 'b']); plt.show()
plt.boxplot([[1, 2, 3, 4, 30]], tick_labels=['a']); plt.show()
figure, (one, two) = plt.subplots(1, 2)
one.plot([1, 2]); two.bar(['a'], [1]); figure.suptitle('Both')
plt.show()
"""


def test_charts(sandbox):
    kinds = interpreter.charts.ChartType
    line, scatter, bar, pie, boxes, several = [r.chart for r in sandbox.run_code(CHARTS).results]
    assert [c.type for c in (line, scatter, bar, pie, boxes, several)] == [kinds.LINE, kinds.SCATTER, kinds.BAR, kinds.PIE, kinds.BOX_AND_WHISKER, kinds.SUPERCHART]
    assert (line.title, line.x_label, line.x_unit, line.x_scale, line.y_scale.value) == ("Line", "Time (s)", "s", "datetime", "linear")
    assert (line.elements[0].label, line.elements[0].points) == ("way", [("2024-01-01", 1), ("2024-01-02", 2)]) and len(line.x_ticks) == len(line.x_tick_labels)
    assert scatter.elements[0].points == [(1, 3), (2, 4)] and [(e.label, e.group, e.value) for e in bar.elements] == [("a", "Group 0", 1), ("b", "Group 0", 2)]
    assert [(e.label, e.angle, e.radius) for e in pie.elements] == [("a", 90, 1), ("b", 270, 1)]
    box, = boxes.elements
    assert (box.label, box.min, box.first_quartile, box.median, box.third_quartile, box.max, box.outliers) == ("a", 1, 2, 3, 4, 4, [30])
    assert several.title == "Both" and [c.type for c in several.elements] == [kinds.LINE, kinds.BAR]


def test_tables(sandbox):
    table, = sandbox.run_code("import pandas\npandas.DataFrame({'n': [1, 2], 't': pandas.to_datetime(['2024-01-01', None])})").results
    assert table.data == {"n": [1, 2], "t": ["2024-01-01T00:00:00", None]} and "<table" in table.html and table.is_main_result
    figure, = sandbox.run_code("import matplotlib.pyplot as plt\nf, a = plt.subplots()\na.plot([1, 2])\nf").results
    assert figure.is_main_result and figure.png.startswith("iVBOR") and figure.text == "<Figure size 640x480 with 1 Axes>"


def test_context(sandbox):
    context, = sandbox.list_code_contexts()
    assert context.language == "python" and sandbox.run_code("x = 7\nx", context=context).text == "7"
    sandbox.restart_code_context(context)
    assert sandbox.run_code("x").error.name == "NameError"


def test_further_contexts(sandbox):
    context = sandbox.create_code_context(cwd="/tmp", language="python")
    assert context.cwd == "/tmp" and sandbox.run_code("import os\nx = 1\nos.getcwd()", context=context).text == "/tmp"
    assert sandbox.run_code("x").error.name == "NameError" and sandbox.run_code("x", context=context).text == "1"
    assert [c.id for c in sandbox.list_code_contexts()] == ["default", context.id]
    sandbox.restart_code_context(context.id)
    assert sandbox.run_code("x", context=context).error.name == "NameError"
    sandbox.remove_code_context(context)
    with pytest.raises(e2b.NotFoundException, match="Context not found"):
        sandbox.run_code("1", context=context)
    for ask in (lambda: sandbox.create_code_context(language="r"), lambda: sandbox.run_code("1", language="javascript")):
        with pytest.raises(e2b.NotFoundException, match="only python"):
            ask()


def test_the_client_s_timeout_interrupts(sandbox):
    sandbox.run_code("x = 5")
    with pytest.raises(e2b.TimeoutException, match="Execution timed out"):
        sandbox.run_code("while True: pass", timeout=0.5)
    assert sandbox.run_code("x").text == "5"


def test_a_sandbox_killed_while_it_runs(sandbox, service):
    begun = threading.Event()
    killer = threading.Thread(target=lambda: (begun.wait(), sandbox.kill()))
    killer.start()
    with pytest.raises(e2b.TimeoutException, match="The sandbox was killed while the request was in progress"):
        sandbox.run_code("print('begun', flush=True)\nwhile True: pass", on_stdout=lambda _: begun.set())
    killer.join()
    until(lambda: not sandbox.is_running(), "it is gone")


def test_the_sdk_for_javascript(settings):
    node.run(ROOT / "tests/clients/e2b/run.mjs", least=(20, 18, 1))


def test_files(sandbox):
    info = sandbox.files.write("/home/user/data/a.txt", "some text")
    assert info.name == "a.txt"
    assert sandbox.run_code("open('data/a.txt').read()").text == "some text" and sandbox.files.read("data/a.txt") == "some text"
    sandbox.run_code("open('b.bin', 'wb').write(bytes(range(256)))")
    assert bytes(sandbox.files.read("/home/user/b.bin", format="bytes")) == bytes(range(256))
    with pytest.raises(e2b.NotFoundException):
        sandbox.files.read("nothing")


def test_forks(sandbox):
    sandbox.run_code("x = [1]")
    forks = sandbox.fork(count=2, timeout=100)
    assert [f.run_code("x.append(2)\nx").text for f in forks] == ["[1, 2]"] * 2 and sandbox.run_code("x").text == "[1]"
    for fork in forks:
        assert fork.kill()


def test_figures_and_what_there_is_not(sandbox):
    one, = sandbox.get_metrics()
    assert 0 < one.mem_used < one.mem_total and one.cpu_count >= 1
    with pytest.raises(e2b.SandboxException, match="fork it"):
        sandbox.create_snapshot()
    sandbox.update_network({"deny_out": ["0.0.0.0/0"]})
    assert sandbox.get_info().allow_internet_access is False


def test_callbacks_in_the_order_of_the_program(sandbox):
    seen = []
    sandbox.run_code("import sys\nprint('a')\ndisplay(1)\nprint('b', file=sys.stderr)\ndisplay(2)\nprint('c', end='')\n1/0", on_stdout=lambda m: seen.append(m.line),
                     on_stderr=lambda m: seen.append("err " + m.line), on_result=lambda r: seen.append(r.text), on_error=lambda e: seen.append(e.name))
    assert seen == ["a\n", "1", "err b\n", "2", "c", "ZeroDivisionError"]


def test_the_asynchronous_sdk(settings):
    async def use():
        sandbox = await interpreter.AsyncSandbox.create(timeout=60, envs={"A": "1"})
        context = await sandbox.create_code_context(cwd="/tmp")
        both = await asyncio.gather(sandbox.run_code("import os\n(os.environ['A'], os.getcwd())", context=context), sandbox.run_code("6 * 7"), sandbox.commands.run("echo $A"))
        await sandbox.files.write("a.txt", "text")
        names = [f.name for f in await sandbox.files.list(".")]
        with pytest.raises(e2b.SandboxException, match="can't be watched"):
            await sandbox.files.watch_dir(".", on_event=print)
        await sandbox.kill()
        return both[0].text, both[1].text, both[2].stdout, names

    assert asyncio.run(use()) == ("('1', '/tmp')", "42", "1\n", ["a.txt"])
