"""The Python client against real servers: the one of the tests, and the private one of local mode."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading

import nbformat
import pytest
import sandbox_executor as package
from harness import ROOT, processes, until
from harness.server import RUNNING
from sandbox_executor import AsyncSandboxClient, ClientConfig, ExecutionMode, SandboxClient, SandboxException, SandboxExecutor
from sandbox_executor.api import Call


# ---- execute(), as secure-python-sandbox has it; both modes ----


def test_execute(sandbox):
    result = sandbox.execute("import sys\nprint(' out ')\nprint('err', file=sys.stderr)\n6 * 7")
    assert (result.success, result.return_code, result.stdout, result.stderr, result.value) == (True, 0, "out", "err", "42")
    assert result.output == "out" and result.output_files == {} and result.raw["output"]["stdout"] == " out \n"


@pytest.mark.parametrize("code,return_code,status,stderr", [
    ("1/0", 1, "error", "ZeroDivisionError: division by zero"), ("raise SystemExit(3)", 3, "error", "SystemExit"), ("raise SystemExit('no')", 1, "error", "no"),
    ("import os; os._exit(5)", 5, "killed", "status 5"), ("import os; os.kill(os.getpid(), 9)", -9, "killed", "SIGKILL"), ("x = (", 1, "error", "SyntaxError"), ("", 0, "ok", "")])
def test_ends(sandbox, code, return_code, status, stderr):
    result = sandbox.execute(code)
    assert (result.return_code, result.status, result.success) == (return_code, status, return_code == 0), result
    assert stderr in result.stderr and result.output == (result.stdout if result.success else result.stderr)


def test_a_timeout_keeps_what_was_printed(sandbox):
    for timeout in (0.3, 3, 10):  # until it has had the time to begin
        result = sandbox.execute("print('up', flush=True)\nwhile True: pass", timeout=timeout)
        assert (result.return_code, result.status, result.stderr) == (-1, "timeout", f"Execution timed out after {timeout} seconds"), result
        if result.stdout == "up":
            return
    raise AssertionError(result)


def test_files_go_in_and_come_out(sandbox):
    big = os.urandom(3_000_000)
    code = "import os\ndata = open('big', 'rb').read()\nopen('in.txt', 'a').write('!')\nos.makedirs('d', exist_ok=True)\nopen('d/out', 'wb').write(data[::-1])"
    result = sandbox.execute(code, input_files={"big": big, "in.txt": "text", "more": b"\x00" * 2_000_000})
    assert result.success, result
    assert result.get_file_content("d/out") == big[::-1] and set(result.output_files) == {"d/out"} and result.get_file_content("none") is None


def test_each_execution_starts_anew_and_no_session_is_left(sandbox):
    before = sandbox.list_sessions(limit=100)["total"]
    assert sandbox.execute("x = 1\nopen('f', 'w').write('x')").success
    assert "NameError" in sandbox.execute("x").stderr and sandbox.execute("open('f')").return_code == 1
    assert sandbox.list_sessions(limit=100)["total"] <= before


def test_raise_for_status(sandbox):
    cases = {"1/0": package.ExecutionFailedError, "x = (": package.CodeValidationError, "while True: pass": package.ExecutionTimeoutError}
    for code, kind in cases.items():
        with pytest.raises(kind) as raised:
            sandbox.execute(code, timeout=0.3 if "while" in code else None).raise_for_status()
        assert raised.value.details.return_code != 0
    assert sandbox.execute("print(1)").raise_for_status().stdout == "1"


def test_validation_and_mode(standard_server):
    for url in (standard_server.url, None):
        secure, simple = SandboxClient(url), SandboxClient(url, mode=ExecutionMode.SIMPLE)
        assert secure.validate_code("import csv\nprint(1)") == (True, None) and simple.validate_code("import os") == (True, None)
        valid, why = secure.validate_code("import os")
        assert not valid and "os" in why
        valid, why = simple.validate_code("x = (")
        assert not valid and "never closed" in why
        refused = secure.execute("import os")
        assert refused.status == "rejected" and refused.return_code == 1 and refused.stdout == "" and refused.stderr.startswith("Security Error: ")
        with pytest.raises(package.SecurityViolationError):
            refused.raise_for_status()
        assert secure.health_check() and secure.is_local == (url is None) and secure.is_remote == (url is not None)
        info = secure.get_mode_info()
        assert info["execution_type"] == ("local" if url is None else "remote") and info["mode"] == "secure" and info.get("server_url") == url
        secure.close(), simple.close()


def test_the_output_limit_of_the_client(server):
    client = SandboxClient.from_config(ClientConfig(server.url, max_output_size=1024))
    assert client.execute("print('x' * 5000)").stdout == "x" * 1024 + "\n... (output truncated)"
    client.close()


def test_the_memory_limit(sandbox):
    assert sandbox.execute("x = bytearray(400_000_000)\nx[::4096] = b'x' * len(x[::4096])").status in ("memory", "error")


# ---- settings ----


def test_settings_from_the_environment_and_a_file(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("# a comment\nSANDBOX_MODE=simple\nexport SANDBOX_TIMEOUT='7'  # s\nSANDBOX_ALLOW_NETWORK=true # yes\nSANDBOX_MAX_MEMORY_MB=256\nodd line\n")
    monkeypatch.setenv("SANDBOX_TIMEOUT", "9")
    config = SandboxClient.from_env().config
    assert (config.mode, config.timeout, config.allow_network, config.max_memory_mb, config.server_url) == (ExecutionMode.SIMPLE, 9, True, 256, None)
    assert SandboxClient.from_env(None).config.mode is ExecutionMode.SECURE
    monkeypatch.setenv("SANDBOX_URL", "http://example.org")
    assert SandboxClient.from_env().is_remote
    monkeypatch.setenv("SANDBOX_TIMEOUT", "soon")
    with pytest.raises(SandboxException):
        SandboxClient.from_env()


@pytest.mark.parametrize("wrong", [{"timeout": 0}, {"timeout": 301}, {"max_memory_mb": 1}, {"max_output_size": 5}, {"server_url": "nonsense"}])
def test_a_wrong_setting_is_refused(wrong):
    with pytest.raises(SandboxException):
        SandboxClient.from_config(ClientConfig(**wrong))


def test_the_executor_of_the_old_names():
    executor = SandboxExecutor(mode=ExecutionMode.SIMPLE, timeout=10)
    assert executor.execute("import os; print(os.getcwd())").stdout == "/workspace" and executor.validate_code("x = 1")[0]


# ---- sessions ----


def test_a_session_goes_on_from_its_archive(live, remote):
    live.execute("x = [1]\ndef f(): return len(x)\nlock = __import__('_thread').allocate_lock()")
    made = remote.import_session(live.export())
    with remote.session(made["id"]) as other:
        assert made["id"] != live.id and other.execute("x.append(2)\nf()").value == "2" and live.execute("f()").value == "1"
    assert [one["name"] for one in made["imported"]["omitted"]] == ["lock"]


def moved(remote, session):
    """Takes a session to another id as an operator's drain does, on one and the same service. Returns the new id."""
    archive = remote._run(remote.api.bytes(Call("GET", f"/api/v1/sessions/{session.id}/export", query={"move": True})))
    made = remote.import_session(archive)["id"]
    remote._run(remote.api.json(Call("POST", f"/api/v1/admin/sessions/{session.id}/move", json={"sessionId": made})))
    return made


def test_a_session_is_followed_where_it_has_moved(live, remote):
    live.execute("x = 1")
    first = moved(remote, live)
    with live.stream("x += 1\nprint(x)") as stream:
        assert "".join(event.data for event in stream if event.type == "stdout") == "2\n" and stream.session_id == first
    assert live.execute("x += 1\nx").value == "3" and live.variables()["x"]["value"] == 3


def test_a_session_keeps_its_state(live):
    live.execute("x = [1]\nx.append(2)")
    result = live.execute("print(' ', x)\nx")
    assert result.stdout == "  [1, 2]\n" and result.value == "[1, 2]" and live.variables()["x"]["value"] == [1, 2]
    assert live.set_variables({"y": {"a": 1}}) == ["y"] and live.execute("y['a']").value == "1"
    assert live.get_variable("y")["type"] == "dict" and json.loads(live.export_variable("x", "json")) == [1, 2]
    live.delete_variable("y")
    assert "y" not in live.variables()
    live.clear_variables()
    assert live.variables() == {}


def test_files_of_a_session(live):
    live.write_file("d e/é#?.bin", b"\x00\xff")
    live.write_file("/workspace/t", "text")
    assert live.read_file("d e/é#?.bin") == b"\x00\xff" and live.execute("open('t').read()").value == "'text'"
    assert {e["name"] for e in live.list_files()} == {"d e", "t"} and live.list_files("d e")[0]["size"] == 2
    live.delete_file("t")
    with pytest.raises(package.NotFoundError):
        live.read_file("t")
    with pytest.raises(SandboxException):
        live.read_file("../etc/passwd")
    assert [a["path"] for a in live.execute("open('made', 'w').write('x')").artifacts] == ["made"]


def test_options_of_a_run(live):
    code = "import os\nprint(os.environ['A'], input(), v, open('f').read())"
    assert live.execute(code, env={"A": "b"}, stdin="line\n", variables={"v": 5}, files={"f": b"bytes"}).stdout == "b line 5 bytes\n"
    assert live.execute("z = 1", include_variables=False).variables == {}
    with pytest.raises(TypeError, match="timout"):
        live.execute("1", timout=5)


def test_plots_notebook_stats_and_the_rest(live):
    plots = live.execute("import matplotlib.pyplot as plt\nplt.plot([1]); plt.show()").plots
    assert plots[0]["format"] == "png" and live.get_plot(live.plots()[0]["id"]).startswith(b"\x89PNG")
    nbformat.validate(nbformat.from_dict(live.notebook()))
    assert live.stats()["sessionId"] == live.id and live.update(metadata={"a": 1})["metadata"] == {"a": 1} and live.get()["id"] == live.id
    live.restart()
    assert live.variables() == {}


def test_saved_states(live):
    live.execute("x = {1}\nf = lambda: len(x)")
    saved = live.create_checkpoint("one")
    live.execute("x.add(2)\ndel f")
    assert [c["name"] for c in live.list_checkpoints()] == ["one"] and saved["name"] == "one"
    live.rollback(saved["id"])
    assert live.execute("f()").value == "1"
    live.delete_checkpoint(saved["id"])
    assert live.list_checkpoints() == []
    assert live.execute("x.add(3)\n1/0", transactional=True).state == "rolledBack" and live.execute("x").value == "{1}"


def test_live_copies(live):
    live.execute("x = [1]")
    copies = live.fork(2)
    assert len({live.id, *(c.id for c in copies)}) == 3
    for n, copy in enumerate(copies):
        assert copy.execute(f"x.append({n})\nx").value == f"[1, {n}]"
        copy.delete()
    assert live.execute("x").value == "[1]"


def test_packages(remote, live):
    assert any(p["name"] == "numpy" and p["installed"] for p in remote.list_packages(search="numpy"))
    assert {"numpy", "pandas"} <= {p["name"] for p in live.packages()}
    with pytest.raises(package.ValidationError, match="os"):
        live.install_packages(["os"])


def test_interrupt_and_restart(live):
    with live.stream("import time\nx = 1\nprint('up', flush=True)\ntime.sleep(1000)") as stream:
        next(e for e in stream if e.type == "stdout")
        assert live.interrupt() is True
        result = stream.result()
    assert result.status == "interrupted" and result.return_code == 130 and live.execute("x").value == "1"
    assert live.interrupt() is False


def test_errors_have_types(remote, live):
    with pytest.raises(package.NotFoundError) as missing:
        remote.session("00000000-0000-4000-8000-000000000000").get()
    assert missing.value.status == 404 and missing.value.code == "SESSION_NOT_FOUND" and missing.value.request_id
    with pytest.raises(package.ValidationError) as wrong:
        live.execute("x", timeout=100000)
    assert wrong.value.validation_errors[0]["field"] == "timeout"
    with live.stream("input()") as stream:
        next(e for e in stream if e.type == "inputRequest")
        with pytest.raises(package.ConflictError):
            live.execute("1", queue=False)
    gone = remote.create_session()
    gone.delete()
    gone.delete()
    with pytest.raises(package.GoneError):
        gone.execute("1")


def test_no_server():
    with pytest.raises(package.SandboxConnectionError) as refused:
        SandboxClient("http://127.0.0.1:9").session("x").execute("1")
    assert refused.value.sent is False and "Failed to connect to server: http://127.0.0.1:9" in str(refused.value)
    assert SandboxClient("http://127.0.0.1:9").health_check() is False


def test_api_keys(make_server):
    server = make_server(env={"SANDBOX_API_KEYS": "one:0123456789abcdef,two:fedcba9876543210"}).start()
    with pytest.raises(package.AuthenticationError):
        SandboxClient(server.url).execute("1")
    one, two = SandboxClient(server.url, api_key="0123456789abcdef"), SandboxClient(server.url, api_key="fedcba9876543210")
    assert one.execute("print(1)").stdout == "1"
    session = one.create_session()
    with pytest.raises(package.NotFoundError):
        two.session(session.id).get()
    one.close(), two.close()


# ---- streams ----


def test_a_stream_is_live_and_its_result_whole(sandbox):
    with sandbox.create_session() as session:
        with session.stream("print('up', flush=True)\nname = input('who? ')\nprint('x' * 200_000)\nname * 2") as stream:
            first = next(e for e in stream if e.type == "stdout")
            assert first.data == "up\n", "it came while the program waits"
            asked = next(e for e in stream if e.type == "inputRequest")
            assert asked.data["prompt"] == "who? "
            stream.send_input("é")
            events = list(stream)
        assert events[-1].type == "complete" and stream.session_id == session.id
        result = stream.result()
        assert result.stdout == "up\n" + "x" * 200_000 + "\n" and result.value == "'éé'" and result.variables["name"]["value"] == "é"


def test_a_run_without_a_session_gets_one_as_the_client_s_mode_says(standard_server):
    with SandboxClient(standard_server.url, mode=ExecutionMode.SIMPLE) as simple, SandboxClient(standard_server.url) as secure:
        assert simple.stream("import os").result().success and secure.stream("import os").result().status == "rejected"
        started = simple.start("import os; os.getcwd()")
        assert simple.watch(started["executionId"]).result().value == "'/workspace'"
        assert simple.session(started["sessionId"]).execute("1").success


def test_a_big_value_comes_whole(live):
    result = live.stream("from IPython.display import HTML, display\ndisplay(HTML('<p>' * 100_000))").result()
    assert result.results[0]["data"]["text/html"] == "<p>" * 100_000


def test_a_run_in_the_background_and_its_watchers(remote, live):
    execution = live.start("name = input('? ')\nprint(name)")
    until(lambda: remote.get_execution(execution)["status"] == "inputRequired", "it asks")
    with remote.watch(execution) as stream:
        seen = next(stream)
    remote.send_input(execution, "x")
    assert remote.watch(execution, after=seen.id).result().stdout == "x\n" and remote.get_execution(execution)["result"]["success"]
    assert remote.cancel(execution) is False


def test_leaving_a_stream_interrupts_the_run_unless_detached(remote, live):
    for detached in (False, True):
        with live.stream("import time\nprint('up', flush=True)\nfor _ in range(100000): time.sleep(0.01)") as stream:
            next(e for e in stream if e.type == "stdout")
            if detached:
                stream.detach()
        if not detached:
            until(lambda: remote.get_execution(stream.execution_id)["status"] == "interrupted", "it is interrupted")
        else:
            assert remote.get_execution(stream.execution_id)["status"] == "running" and remote.cancel(stream.execution_id)


class Cutter:
    """Between the client and the server: each connection is cut after so many bytes of its answer."""

    def __init__(self, port, limit):
        self.port, self.limit, self.connections = port, limit, 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.accepting = threading.Thread(target=self.accept, daemon=True)
        self.accepting.start()

    def accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            server = socket.create_connection(("127.0.0.1", self.port))
            threading.Thread(target=self.pump, args=(client, server, None), daemon=True).start()
            threading.Thread(target=self.pump, args=(server, client, self.limit), daemon=True).start()

    @staticmethod
    def pump(source, target, left):
        try:
            while left is None or left > 0:
                data = source.recv(65536 if left is None else min(left, 65536))
                if not data:
                    break
                target.sendall(data)
                left = None if left is None else left - len(data)
        except OSError:
            pass
        for each in (source, target):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def test_a_real_stream_that_is_cut_again_and_again(server, live):
    cutter = Cutter(server.port, 4000)
    client = SandboxClient(cutter.url)
    with client.stream("import time\nfor i in range(60):\n    print(i, 'é', flush=True)\n    time.sleep(0.01)", live.id) as stream:
        events = list(stream)
    cutter.socket.shutdown(socket.SHUT_RDWR)
    cutter.accepting.join()
    cutter.socket.close()
    assert "".join(e.data for e in events if e.type == "stdout") == "".join(f"{i} é\n" for i in range(60)) == stream.result().stdout
    assert cutter.connections >= 2 and len({e.id for e in events}) == len(events)
    assert live.execute("1").execution_count == 2, "the code ran once"


def test_a_block_that_fails_is_not_hidden_by_its_session(remote):
    with pytest.raises(ZeroDivisionError):
        with remote.create_session() as session:
            session.delete()
            raise ZeroDivisionError
    with remote.create_session() as session:
        session.delete()


def test_threads_share_a_client(sandbox):
    results = {}
    threads = [threading.Thread(target=lambda n=n: results.update({n: sandbox.execute(f"print({n})").stdout})) for n in range(8)]
    [t.start() for t in threads], [t.join() for t in threads]
    assert results == {n: str(n) for n in range(8)}


# ---- asyncio ----


def test_asyncio(server):
    async def one(client, n):
        async with await client.create_session() as session:
            await session.execute(f"x = {n}")
            async with session.stream("name = input('? ')\nprint(x, name)") as stream:
                async for event in stream:
                    if event.type == "inputRequest":
                        await stream.send_input("me")
            return (await stream.result()).stdout, (await client.execute(f"print({n})")).stdout, (await session.get_variable("x"))["value"]

    async def main(url):
        async with AsyncSandboxClient(url) as client:
            assert await client.health_check() and (await client.validate_code("x = 1"))[0]
            assert await asyncio.gather(*[one(client, n) for n in range(5)]) == [(f"{n} me\n", str(n), n) for n in range(5)]
            session = await client.create_session(policy="open")
            stream = session.stream("print('up', flush=True)\nwhile True: pass")
            async for event in stream:
                if event.type == "stdout":
                    break
            await stream.close()
            task = asyncio.ensure_future(session.execute("import time\ntime.sleep(1000)"))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await session.delete()

    asyncio.run(main(server.url))
    asyncio.run(main(None))


def test_both_clients_have_the_same_methods():
    import inspect
    for sync, other in ((package.SandboxClient, package.AsyncSandboxClient), (package.Session, package.AsyncSession), (package.ExecutionStream, package.AsyncExecutionStream)):
        names = [n for n in dir(sync) if not n.startswith("_")]
        assert names == [n for n in dir(other) if not n.startswith("_")]
        for name in names:
            a, b = getattr(sync, name), getattr(other, name)
            if callable(a):
                assert list(inspect.signature(a).parameters) == list(inspect.signature(b).parameters), name


# ---- local mode ----


def run_python(code, **env):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, env={**os.environ, "PYTHONPATH": str(ROOT / "clients/python/src"), **env})


@pytest.mark.parametrize("end,code", [("", 0), ("import os; os._exit(3)", 3), ("import os; os.kill(os.getpid(), 9)", -9)], ids=["at its end", "os._exit", "killed"])
def test_the_private_service_ends_with_its_process(end, code):
    done = run_python(f"from sandbox_executor import *\nprint(SandboxClient().execute('print(5)').stdout, flush=True)\n{end}")
    assert (done.returncode, done.stdout) == (code, "5\n"), done
    until(lambda: not processes.adopted(RUNNING), "every process of it ends", 60)


def test_a_private_service_that_died_is_started_again():
    from sandbox_executor import local
    client = SandboxClient()
    client.execute("1")
    process = local.local_server()._process
    process.kill()
    process.wait()
    assert client.execute("print(2)").stdout == "2"


def test_without_the_program_local_mode_says_so():
    code = "from sandbox_executor import *\ntry: SandboxClient().execute('1')\nexcept SandboxException as error: print(error)"
    assert "can be executed" in run_python(code, PENNY_SANDBOX="/none").stdout
