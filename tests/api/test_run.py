"""`penny-sandbox run FILE`: the command, with jails of its own and with a server that runs already."""

import fcntl
import json
import os
import pty
import select
import signal
import subprocess

import nbformat
import pytest

from harness import BUILD, processes, until
from harness.server import ROOT, RUNNING

PROGRAM = str(BUILD / "penny-sandbox")


def environment(**more):
    env = {"PATH": "/usr/bin:/bin", "HOME": "/", "ASAN_OPTIONS": "abort_on_error=1"}
    if BUILD != ROOT / "build":
        env |= {"SANDBOX_PYTHON": str(ROOT / "build/venv/bin/python"), "SANDBOX_POLICY_DIR": str(ROOT / "policies"),
                "SANDBOX_PYTHON_LIBRARY": str(ROOT / "runtime/python")}
    return {**env, **more}


@pytest.fixture
def run(server, tmp_path):
    """run(code, *options, input=): the finished process, by way of the shared server."""
    def go(code, *options, input="", url=None, after=()):
        path = tmp_path / "program.py"
        path.write_text(code)
        return subprocess.run([PROGRAM, "run", "--server", url or server.url, *options, str(path), *after], input=input, capture_output=True,
                              text=True, timeout=100, env=environment(), cwd=tmp_path)
    return go


def test_a_jail_of_its_own_and_nothing_is_left(tmp_path):
    (tmp_path / "a.py").write_text("import os\nprint(os.getuid(), os.getcwd(), os.path.exists('/root'))\nraise SystemExit(7)")
    done = subprocess.run([PROGRAM, "run", "--time", "a.py"], capture_output=True, text=True, timeout=100, env=environment(), cwd=tmp_path)
    assert done.returncode == 7 and done.stdout == "1000 /workspace False\n", done
    assert "starting took" in done.stderr and "the program took" in done.stderr
    until(lambda: not processes.adopted(RUNNING), "every process ends", 60)


def test_settings_of_another_server_do_not_reach_it(tmp_path):
    env = environment(SANDBOX_LISTEN="127.0.0.1:1", SANDBOX_PORT="1", SANDBOX_KEYS_FILE="/none", SANDBOX_TLS_CERT="/none", SANDBOX_PROFILE="standard")
    done = subprocess.run([PROGRAM, "run", "-"], input="import sys; print(sys.argv)", capture_output=True, text=True, timeout=100, env=env)
    assert done.returncode == 0 and done.stdout, done


def test_a_killed_command_takes_its_jail_along(tmp_path):
    (tmp_path / "a.py").write_text("print('up', flush=True)\nwhile True: pass")
    command = subprocess.Popen([PROGRAM, "run", "a.py"], stdout=subprocess.PIPE, env=environment(), cwd=tmp_path)
    assert command.stdout.readline() == b"up\n"
    command.kill()
    command.wait()
    command.stdout.close()
    until(lambda: not processes.adopted(RUNNING), "every process ends", 60)


@pytest.mark.parametrize("code,status,stderr", [
    ("print(1)", 0, ""), ("", 0, ""), ("import sys; sys.exit(3)", 3, ""), ("exit()", 0, ""), ("import sys; sys.exit('why')", 1, "why\n"),
    ("import sys; sys.exit(256 + 5)", 5, ""), ("import os; os._exit(9)", 9, "status 9"), ("import os; os.kill(os.getpid(), 11)", 139, "signal 11"),
    ("1/0", 1, "ZeroDivisionError: division by zero"), ("x = (", 1, "SyntaxError"), ("raise KeyboardInterrupt", 130, "KeyboardInterrupt"),
])
def test_exit_codes(run, code, status, stderr):
    done = run(code)
    assert (done.returncode, done.stdout) == (status, "1\n" if code == "print(1)" else ""), done
    assert done.stderr.endswith(stderr) if status in (0, 3, 5) else stderr in done.stderr, done


def test_a_timeout_is_124(run):
    for seconds in (0.3, 3, 10):  # until it has had the time to begin
        done = run("print('up', flush=True)\nwhile True: pass", "--timeout", str(seconds))
        assert done.returncode == 124 and f"{seconds * 1000:.0f}ms" in done.stderr, done
        if done.stdout == "up\n":
            return
    raise AssertionError(done)


def test_a_traceback_names_the_file(run, tmp_path):
    done = run("def f():\n    1/0\nf()")
    assert f'File "{tmp_path}/program.py", line 2, in f' in done.stderr and "<cell" not in done.stderr


def test_streams_are_kept_apart_and_a_script_s_last_value_is_not_shown(run):
    done = run("import sys, os\nprint('out')\nprint('err', file=sys.stderr)\nos.system('echo child')\n42")
    assert (done.returncode, done.stdout, done.stderr) == (0, "out\nchild\n", "err\n")


def test_output_comes_while_the_program_runs(server, tmp_path):
    (tmp_path / "a.py").write_text("print('up', flush=True)\nprint(input() + '!')")
    command = subprocess.Popen([PROGRAM, "run", "--server", server.url, "a.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(), cwd=tmp_path)
    assert command.stdout.readline() == b"up\n"
    out, _ = command.communicate(b"on\n", 60)
    assert out == b"on!\n" and command.returncode == 0


def test_standard_input(run):
    done = run("import sys\nprint(repr(input('a? ')), repr(sys.stdin.readline()), repr(sys.stdin.readline()))\ninput()", input="é one\ntwo")
    assert done.stdout == "a? 'é one' 'two\\n' ''\n" and done.returncode == 1 and "EOFError" in done.stderr


def test_arguments_environment_and_files(run, tmp_path):
    (tmp_path / "data.csv").write_bytes(b"\x00\xff")
    (tmp_path / "empty").touch()
    done = run("import sys, os\nprint(sys.argv[1:], os.environ['A'], open('data.csv', 'rb').read(), os.path.getsize('d/e'))",
               "--env", "A=b=c", "--file", "data.csv", "--file", "empty=d/e", after=("--x", "é y"))
    assert done.stdout == "['--x', 'é y'] b=c b'\\x00\\xff' 0\n", done


def test_output_directory(run, tmp_path):
    code = "import matplotlib.pyplot as plt, os\nplt.plot([1]); plt.show()\nos.makedirs('d/e')\nopen('d/e/f', 'wb').write(bytes(range(256)) * 5000)\nopen('g', 'w')"
    done = run(code, "--output", "out")
    assert done.returncode == 0, done
    assert (tmp_path / "out/d/e/f").read_bytes() == bytes(range(256)) * 5000 and (tmp_path / "out/g").read_bytes() == b""
    assert (tmp_path / "out/plot-1.png").read_bytes().startswith(b"\x89PNG")
    done = run("open('plot-1.png', 'w').write('mine')\n" + code, "--output", "out2")
    assert (tmp_path / "out2/plot-1.png").read_text() == "mine" and (tmp_path / "out2/plot-1-1.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "out2/g").unlink()
    (tmp_path / "out2/g").symlink_to(tmp_path / "elsewhere")
    done = run(code, "--output", "out2")
    assert done.returncode == 125 and "cannot write g" in done.stderr and not (tmp_path / "elsewhere").exists()
    done = run(code)
    assert "1 plots and 2 files" in done.stderr


def test_the_standard_profile_refuses(run):
    done = run("import os", "--profile", "standard")
    assert done.returncode == 1 and "PolicyViolation" in done.stderr


def test_a_million_lines(run):
    done = run("for i in range(1_000_000): print(i)")
    assert done.returncode == 0 and done.stdout.count("\n") == 1_000_000 and done.stdout.endswith("\n999999\n")


def start(server, tmp_path, code, **options):
    (tmp_path / "a.py").write_text(code)
    return subprocess.Popen([PROGRAM, "run", "--server", server.url, "a.py"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), cwd=tmp_path, **options)


def test_an_interrupt_is_the_program_s(server, tmp_path):
    code = "import time\ntry:\n    print('up', flush=True)\n    time.sleep(1000)\nexcept KeyboardInterrupt:\n    print('caught')\n    raise SystemExit(4)"
    command = start(server, tmp_path, code)
    assert command.stdout.readline() == b"up\n"
    command.send_signal(signal.SIGINT)
    assert command.communicate(timeout=60)[0] == b"caught\n" and command.returncode == 4


def test_a_second_interrupt_does_not_wait(server, tmp_path):
    command = start(server, tmp_path, "import time\nword = 'up'\nwhile True:\n    try:\n        print(word, flush=True)\n        time.sleep(1000)\n    except KeyboardInterrupt:\n        word = 'no'")
    assert command.stdout.readline() == b"up\n"
    command.send_signal(signal.SIGINT)
    assert command.stdout.readline() == b"no\n"
    command.send_signal(signal.SIGINT)
    command.communicate(timeout=60)
    assert command.returncode == 130


def test_a_flood_of_output_keeps_no_interrupt_out(server, tmp_path):
    code = "try:\n    print('up', flush=True)\n    for i in range(10**9): print('x' * 1000)\nexcept KeyboardInterrupt:\n    raise SystemExit(4)"
    command = start(server, tmp_path, code)
    assert command.stdout.readline() == b"up\n"
    command.send_signal(signal.SIGINT)
    while command.stdout.read(1 << 20):
        pass
    command.stdout.close()
    command.stderr.close()
    assert command.wait(60) == 4


def test_a_reader_that_leaves_ends_it(server, tmp_path):
    command = start(server, tmp_path, "print('up', flush=True)\nwhile True:\n    try: print('x' * 1000)\n    except KeyboardInterrupt: pass")
    assert command.stdout.readline() == b"up\n"
    command.stdout.close()
    command.stderr.close()
    assert command.wait(60) == 141


def test_a_password_is_not_shown_on_a_terminal(server, tmp_path):
    (tmp_path / "a.py").write_text("import getpass\nprint('got', getpass.getpass('secret? '))")
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execve(PROGRAM, [PROGRAM, "run", "--server", server.url, "a.py"], environment())
    seen = b""
    while b"secret? " not in seen:
        seen += os.read(terminal, 4096)
    until(lambda: not echoes(terminal), "the terminal does not echo")
    os.write(terminal, b"hunter2\n")
    while b"got" not in seen or not seen.endswith(b"\n"):
        seen += os.read(terminal, 4096)
    assert os.waitpid(pid, 0)[1] == 0
    os.close(terminal)
    assert seen.count(b"hunter2") == 1, "only what the program itself printed"


def echoes(terminal):
    import termios
    return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)


@pytest.mark.parametrize("arguments", [[], ["--none", "a"], ["--timeout", "x", "a"], ["--env", "x", "a"], ["--profile", "odd", "a"], ["/no/such/file"], ["--in-place", "a"],
                                       ["--in-place", "--output", "b", "x.ipynb"], ["/tmp"]])
def test_a_wrong_command_line_is_2(arguments):
    done = subprocess.run([PROGRAM, "run", *arguments], capture_output=True, text=True, timeout=60, env=environment())
    assert done.returncode == 2 and done.stderr.startswith("penny-sandbox: "), done


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "https://127.0.0.1", "ftp://x/y/z", "http://127.0.0.1:99999999"])
def test_no_server_is_125(run, url):
    done = run("print(1)", url=url)
    assert done.returncode == 125 and done.stdout == "" and done.stderr.startswith("penny-sandbox: ")


def test_a_missing_file_is_said(run):
    done = run("print(1)", "--file", "none")
    assert done.returncode == 125 and "none" in done.stderr and done.stdout == ""


def test_no_session_is_left(server, run):
    before = {s["id"] for s in server.client.expect(200, "GET", "/api/v1/sessions?limit=100")["sessions"]}
    run("print(1)")
    run("1/0")
    after = {s["id"] for s in server.client.expect(200, "GET", "/api/v1/sessions?limit=100")["sessions"]}
    assert after <= before


# ---- notebooks ----


def write_notebook(path, *sources, tags=None):
    cells = [nbformat.v4.new_markdown_cell("# text"), *[nbformat.v4.new_code_cell(s) for s in sources]]
    if tags:
        cells[-1].metadata.tags = tags
    cells[-1].outputs = [nbformat.v4.new_output("stream", text="old")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)


def run_notebook(server, path, *options):
    return subprocess.run([PROGRAM, "run", "--server", server.url, *options, str(path)], capture_output=True, text=True, timeout=100, env=environment(), stdin=subprocess.DEVNULL)


def test_a_notebook_is_run_cell_by_cell_and_written(server, tmp_path):
    path = tmp_path / "n.ipynb"
    write_notebook(path, "x = 20", "print('hi')\nx + 1", "import matplotlib.pyplot as plt\nplt.plot([1]); plt.show()", " ")
    done = run_notebook(server, path, "--output", str(tmp_path / "out.ipynb"))
    assert (done.returncode, done.stdout) == (0, "hi\n21\n"), done
    made = nbformat.read(tmp_path / "out.ipynb", nbformat.NO_CONVERT)
    nbformat.validate(made)
    text, one, two, plot, blank = made.cells
    assert text.source == "# text" and one.outputs == [] and one.execution_count == 1
    assert [o.output_type for o in two.outputs] == ["stream", "execute_result"] and two.outputs[1].data["text/plain"] == "21" and two.execution_count == 2
    assert "image/png" in plot.outputs[0].data and blank.outputs == [] and blank.execution_count is None
    assert "old" in path.read_text()


def test_a_notebook_in_place_stops_at_the_first_error(server, tmp_path):
    path = tmp_path / "n.ipynb"
    write_notebook(path, "print(1)", "1/0", "print(2)")
    path.chmod(0o640)
    done = run_notebook(server, path, "--in-place")
    assert done.returncode == 1 and "<notebook cell 3>" in done.stderr and done.stdout == "1\n"
    made = nbformat.read(path, nbformat.NO_CONVERT)
    nbformat.validate(made)
    assert made.cells[2].outputs[0].output_type == "error" and made.cells[3].outputs == []
    assert path.stat().st_mode & 0o777 == 0o640 and [p.name for p in tmp_path.iterdir()] == ["n.ipynb"]


def test_a_cell_that_may_fail(server, tmp_path):
    path = tmp_path / "n.ipynb"
    write_notebook(path, "1/0", tags=["raises-exception"])
    assert run_notebook(server, path, "--in-place").returncode == 0


@pytest.mark.parametrize("text", ["", "{", "[]", '{"nbformat": 3, "cells": []}', '{"cells": 1, "nbformat": 4}'])
def test_what_is_no_notebook(server, tmp_path, text):
    path = tmp_path / "n.ipynb"
    path.write_text(text)
    done = run_notebook(server, path)
    assert done.returncode == 125 and "n.ipynb" in done.stderr


# ---- private ----


def test_a_private_service_lives_as_long_as_its_standard_input():
    command = subprocess.Popen([PROGRAM, "private", "--pool-size=1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment())
    place = json.loads(command.stdout.readline())
    import urllib.error
    import urllib.request
    request = urllib.request.Request(place["url"] + "/api/v1/sessions", headers={"X-API-Key": place["key"]})
    assert json.load(urllib.request.urlopen(request, timeout=60))["total"] == 0
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(place["url"] + "/api/v1/sessions", timeout=60)
    assert refused.value.code == 401
    refused.value.close()
    command.send_signal(signal.SIGINT)
    assert json.load(urllib.request.urlopen(request, timeout=60))["total"] == 0, "Ctrl-C is for the one who started it"
    command.stdin.close()
    assert command.wait(60) == 0
    command.stdout.close()
    until(lambda: not processes.adopted(RUNNING), "every process ends", 60)


def test_a_private_service_that_can_t_start_says_why():
    done = subprocess.run([PROGRAM, "private", "--python=/none"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, env=environment())
    assert done.returncode == 125 and "penny-sandbox: no jail could be started" in done.stderr and done.stdout == ""


# What it was started with


@pytest.mark.parametrize("arguments,code", [(["run", "-"], 125), (["doctor", "--json"], None), (["--help"], 1), (["run", "--help"], 1)], ids=["run", "doctor", "help", "help of run"])
def test_standard_output_that_is_full(server, arguments, code):
    with open("/dev/full", "w") as full:
        done = subprocess.run([PROGRAM, *arguments], stdout=full, stderr=subprocess.PIPE, input="print(1)", text=True, timeout=100,
                              env=environment(SANDBOX_URL=server.url, SANDBOX_PORT="0"))
    assert done.returncode == code or (code is None and done.returncode > 0), done
    assert done.stderr == "penny-sandbox: standard output: No space left on device\n"


def test_closed_descriptors_are_not_taken_by_others(tmp_path):
    """The first socket or file that it opens would become its standard output."""
    (tmp_path / "a.py").write_text("print('x' * 100)\nopen('a', 'w').write('x')")
    done = subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", PROGRAM, "run", "--output", "out", "a.py"], timeout=100, env=environment(), cwd=tmp_path)
    assert done.returncode == 0 and (tmp_path / "out/a").read_text() == "x"


def test_nohup_lets_it_outlive_its_terminal(server, tmp_path):
    (tmp_path / "a.py").write_text("print('up', flush=True)\nprint(input())")
    command = subprocess.Popen(["sh", "-c", "trap '' HUP; exec \"$@\"", "sh", PROGRAM, "run", "--server", server.url, "a.py"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True, env=environment(), cwd=tmp_path)
    assert command.stdout.readline() == "up\n"
    command.send_signal(signal.SIGHUP)
    assert command.communicate("on\n", timeout=60) == ("on\n", None) and command.returncode == 0


def unblocked(source, sink):
    """A pipe whose one page is soon full and whose descriptors do not wait, as node.js leaves those that it shares."""
    os.set_blocking(source, False)
    fcntl.fcntl(sink, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(sink, False)


def start_unblocked(arguments, **options):
    """The process, what writes to it and what reads from it."""
    (theirs, ours), (source, sink) = os.pipe(), os.pipe()
    unblocked(theirs, sink)
    process = subprocess.Popen([PROGRAM, *arguments], stdin=theirs, stdout=sink, env=environment(), **options)
    os.close(theirs)
    os.close(sink)
    os.set_blocking(source, True)
    return process, os.fdopen(ours, "wb", buffering=0), os.fdopen(source, "rb")


def test_descriptors_that_do_not_wait(server):
    process, ours, theirs = start_unblocked(["run", "--server", server.url, "-"])
    until(lambda: processes.state(process.pid) == "S", "it waits for its program")
    ours.write(b"print('x' * 100000)")
    ours.close()
    assert theirs.read() == b"x" * 100000 + b"\n" and process.wait(60) == 0
    theirs.close()


def test_mcp_on_descriptors_that_do_not_wait(server):
    process, ours, theirs = start_unblocked(["mcp", "--server", server.url])
    ours.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18", "capabilities": {},
                                                                                     "clientInfo": {"name": "x", "version": "1"}}}).encode() + b"\n")
    assert "result" in json.loads(theirs.readline())
    ours.write(b'{"jsonrpc": "2.0", "id": 2, "method": "tools/list"}\n')
    until(lambda: select.select([theirs], [], [], 0)[0] and processes.state(process.pid) == "S", "it waits until somebody reads")
    assert len(json.loads(theirs.readline())["result"]["tools"]) > 3
    ours.close()
    assert process.wait(60) == 0
    theirs.close()
