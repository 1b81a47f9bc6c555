"""E2B's own SDKs, as they come from the package index and from npm: only where the service is, and a key, are said to them."""

import shutil
import subprocess
import threading

import pytest

from harness import ROOT, Server, until

interpreter = pytest.importorskip("e2b_code_interpreter", reason="E2B's SDK is not installed (tests/requirements.txt)")
e2b = pytest.importorskip("e2b")

KEY = "e2b_" + "0123456789" * 4


@pytest.fixture(scope="module", params=["without keys", "with keys"])
def service(request, server, workplace):
    if request.param == "without keys":
        yield server
        return
    with Server(workplace / "e2b", env={"SANDBOX_API_KEYS": f"one:{KEY}"}) as own:
        yield own


@pytest.fixture
def settings(service, monkeypatch):
    for name, value in {"E2B_API_URL": f"{service.url}/e2b", "E2B_SANDBOX_URL": f"{service.url}/e2b", "E2B_API_KEY": KEY}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def sandbox(settings):
    sandbox = interpreter.Sandbox.create(timeout=120, metadata={"user": "a b&c=d"}, envs={"COLOUR": "blue"})
    yield sandbox
    sandbox.kill()


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


def test_rich_results(sandbox):
    picture, table = sandbox.run_code("import matplotlib.pyplot as plt\nimport pandas\nplt.plot([1, 2])\nplt.show()\npandas.DataFrame({'a': range(3)})").results
    assert picture.png.startswith("iVBOR") and "<table" in table.html and table.is_main_result


def test_context(sandbox):
    context, = sandbox.list_code_contexts()
    assert context.language == "python" and sandbox.run_code("x = 7\nx", context=context).text == "7"
    sandbox.restart_code_context(context)
    assert sandbox.run_code("x").error.name == "NameError"


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
    place = ROOT / "tests/clients/e2b"
    if not shutil.which("node") or not (place / "node_modules").exists():
        pytest.skip("node, or E2B's SDK from npm, is not installed (deploy/setup.sh modules tests/clients/e2b)")
    ran = subprocess.run(["node", place / "run.mjs"], capture_output=True, text=True, timeout=120)
    assert (ran.returncode, ran.stdout) == (0, "all\n"), ran.stderr


def test_files(sandbox):
    info = sandbox.files.write("/home/user/data/a.txt", "some text")
    assert info.name == "a.txt"
    assert sandbox.run_code("open('data/a.txt').read()").text == "some text" and sandbox.files.read("data/a.txt") == "some text"
    sandbox.run_code("open('b.bin', 'wb').write(bytes(range(256)))")
    assert bytes(sandbox.files.read("/home/user/b.bin", format="bytes")) == bytes(range(256))
    with pytest.raises(e2b.NotFoundException):
        sandbox.files.read("nothing")
