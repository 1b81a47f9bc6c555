"""input(), getpass and sys.stdin."""

import os

from wire import DONE, INPUT, INPUT_REQUEST, STDOUT


def answer(worker, *lines):
    """Answers each request in turn. Returns (the requests' payloads, what the cell sent)."""
    from wire import Result

    asked, result, waiting = [], Result(), list(lines)
    for event in worker.events(lambda e: e.kind == DONE):
        result.add(event)
        if event.kind == INPUT_REQUEST:
            asked.append(event.json)
            worker.send(INPUT, waiting.pop(0))
    return asked, result


def test_input(worker):
    worker.begin("name = input('Name? ')\nprint('Hello', name)")
    asked, r = answer(worker, "Ann é")
    assert asked == [{"prompt": "Name? ", "password": False}] and r.stdout == "Hello Ann é\n" and r.status == "ok"


def test_text_comes_before_the_request(worker):
    worker.begin("print('before', end='')\nx = input()\nprint(x)")
    _, r = answer(worker, "a")
    assert [e.kind for e in r.events][:3] == [STDOUT, INPUT_REQUEST, STDOUT]


def test_several(worker):
    worker.begin("print(sum(int(input()) for _ in range(5)))")
    asked, r = answer(worker, *"12345")
    assert len(asked) == 5 and r.stdout == "15\n"


def test_getpass(worker):
    worker.begin("import getpass\nprint(len(getpass.getpass('Secret: ')))")
    asked, r = answer(worker, "abc")
    assert asked == [{"prompt": "Secret: ", "password": True}] and r.stdout == "3\n"


def test_standard_input(worker):
    worker.begin("import sys\nprint(repr(sys.stdin.readline()))\nprint(repr(sys.stdin.readline(2)), repr(sys.stdin.readline()))")
    _, r = answer(worker, "one", "two")
    assert r.stdout == "'one\\n'\n'tw' 'o\\n'\n"


def test_big_answers(worker):
    worker.begin("print(len(input()))")
    _, r = answer(worker, "é" * 200_000)
    assert r.stdout == "200000\n"


def test_interrupted(worker):
    worker.begin("x = 1\ninput()")
    worker.wait_for(INPUT_REQUEST)
    worker.interrupt()
    r = worker.collect()
    assert r.status == "interrupted" and r.error["line"] == 2
    worker.send(INPUT, "too late")
    assert worker.run("print(x)").stdout == "1\n"


def test_an_answer_to_an_older_request_is_no_answer(worker):
    worker.begin("input()")
    worker.wait_for(INPUT_REQUEST)
    worker.interrupt()
    worker.collect()
    old = worker.execution
    worker.begin("print(input())")
    worker.wait_for(INPUT_REQUEST)
    worker.send(INPUT, "old", execution=old)
    worker.send(INPUT, "new")
    assert worker.collect().stdout == "new\n"


def test_given_text(worker):
    r = worker.run("print(input('? '), input())\ntry:\n    input()\nexcept EOFError:\n    print('end')", stdin="a\nb")
    assert r.stdout == "? a b\nend\n"
    assert worker.run("import sys\nprint(sys.stdin.read())", stdin="x\ny\n").stdout == "x\ny\n\n"
    assert worker.run("import sys\nprint([l for l in sys.stdin])", stdin="x\ny\n").stdout == "['x\\n', 'y\\n']\n"
    assert worker.run("input()", stdin="").error["type"] == "EOFError"


def test_given_text_is_for_one_run(worker):
    worker.run("input()", stdin="a\nb\n")
    worker.begin("print(input())")
    asked, r = answer(worker, "asked")
    assert len(asked) == 1 and r.stdout == "asked\n"


def test_a_replaced_standard_input(worker):
    assert worker.run("import sys, io\nsys.stdin = io.StringIO('mine\\n')\nprint(input())").stdout == "mine\n"
    worker.begin("print(input())")
    assert answer(worker, "asked")[1].stdout == "asked\n"


def test_where_nobody_can_answer(worker):
    r = worker.run("import threading\nerrors = []\ndef f():\n    try: input()\n    except Exception as e: errors.append(type(e).__name__)\nt = threading.Thread(target=f); t.start(); t.join()\nprint(errors)")
    assert r.stdout == "['RuntimeError']\n"
    r = worker.run("import os\nif os.fork() == 0:\n    try: input()\n    except EOFError: os._exit(5)\nprint(os.waitstatus_to_exitcode(os.wait()[1]))")
    assert r.stdout == "5\n"
    assert worker.run("import subprocess\nprint(subprocess.run(['cat'], capture_output=True).stdout)").stdout == "b''\n"
    assert os.path.exists("/dev/null")


def test_the_end_of_the_input(worker):
    worker.begin("import sys\ntry:\n    input()\nexcept EOFError:\n    print('end')\nprint([l for l in sys.stdin])")
    _, r = answer(worker, "\x04", "a", "\x04")
    assert r.stdout == "end\n['a\\n']\n"


def test_the_debugger(worker):
    worker.begin("def f(x):\n    breakpoint()\n    return x\nf(5)")
    asked, r = answer(worker, "p x", "c")
    assert asked[0]["prompt"].startswith("(Pdb)") and "\n5\n" in r.stdout and r.main == {"text/plain": "5"}
