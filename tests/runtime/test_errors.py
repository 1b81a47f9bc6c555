"""What an error tells: the user's code with its lines, and nothing of ours."""

import pytest


def check_clean(text):
    for word in ("penny_runtime", "runtime/python", "_penny", "/IPython/"):
        assert word not in text, text


def test_traceback(worker):
    worker.run("def f(x):\n    return 1 / x")
    r = worker.run("a = 1\n\nf(0)\nb = 2")
    assert r.status == "error"
    e = r.error
    assert e["type"] == "ZeroDivisionError" and e["message"] == "division by zero" and e["line"] == 3
    assert e["traceback"] == (
        'Traceback (most recent call last):\n  File "<cell 2>", line 3, in <module>\n    f(0)\n  File "<cell 1>", line 2, in f\n'
        "    return 1 / x\n           ~~^~~\nZeroDivisionError: division by zero\n"
    )


def test_the_last_expression_too(worker):
    e = worker.run("x = 1\nx.y").error
    assert e["line"] == 2 and e["type"] == "AttributeError" and "x.y" in e["traceback"]


@pytest.mark.parametrize(
    "code, line",
    [("x = (", 1), ("a = 1\nfor", 2), ("def f():\nreturn 1", 2), ("x = 'abc", 1), ("1 +* 2", 1), ("return 5", 1), ("a = 1\n  b = 2", 2), ("if 1:\n\tx = 1\n        y = 2", 3)],
)
def test_syntax_errors(worker, code, line):
    r = worker.run(code)
    e = r.error
    assert r.status == "error" and e["type"] in ("SyntaxError", "IndentationError", "TabError") and e["line"] == line
    assert f'File "<cell 1>", line {line}' in e["traceback"] and "Traceback" not in e["traceback"]
    check_clean(e["traceback"])


def test_the_caret(worker):
    e = worker.run("x = 1 +\ny = 2").error
    assert "    x = 1 +\n           ^\nSyntaxError: invalid syntax\n" in e["traceback"]


def test_nothing_runs_before_a_syntax_error(worker):
    assert worker.run("print('a')\nx = (").stdout == ""


def test_chained_errors(worker):
    e = worker.run("try:\n    1/0\nexcept Exception as e:\n    raise KeyError('k') from e").error
    assert e["type"] == "KeyError" and "ZeroDivisionError" in e["traceback"] and "direct cause" in e["traceback"] and e["line"] == 4


def test_exception_groups(worker):
    e = worker.run("raise ExceptionGroup('g', [ValueError(1), TypeError(2)])").error
    assert e["type"] == "ExceptionGroup" and "ValueError: 1" in e["traceback"] and "TypeError: 2" in e["traceback"]


def test_notes(worker):
    assert "a note" in worker.run("e = ValueError('x')\ne.add_note('a note')\nraise e").error["traceback"]


def test_library_frames_stay(worker):
    e = worker.run("import json\njson.loads('{')").error
    assert e["type"] == "JSONDecodeError" and "json/decoder.py" in e["traceback"] and e["line"] == 2


def test_hostile_str(worker):
    r = worker.run("class E(Exception):\n  def __str__(self): raise ValueError\nraise E")
    assert r.status == "error" and r.error["type"] == "E" and "str() failed" in r.error["message"]


def test_str_that_ends_the_world(worker):
    r = worker.run("class E(Exception):\n  def __str__(self): raise KeyboardInterrupt\nraise E")
    assert r.status in ("interrupted", "error")
    assert worker.run("1").main == {"text/plain": "1"}


def test_hostile_metaclass(worker):
    r = worker.run("class M(type):\n  def __getattribute__(s, n): raise RuntimeError(n)\nclass E(Exception, metaclass=M): pass\nraise E")
    assert r.status == "error"
    assert worker.run("1").main == {"text/plain": "1"}


def test_big_messages_are_cut(worker):
    e = worker.run("raise ValueError('x' * 10**7)").error
    assert len(e["message"]) < 10_000 and len(e["traceback"]) < 40_000


def test_surrogates_and_nul_in_messages(worker):
    e = worker.run("raise ValueError('a\\ud800\\0b')").error
    assert e["message"] == "a\ufffd\0b"


def test_print_exc(worker):
    r = worker.run("import traceback\ntry:\n    1/0\nexcept Exception:\n    traceback.print_exc()")
    assert '  File "<cell 1>", line 3, in <module>\n    1/0\n' in r.stderr and r.status == "ok"


def test_error_in_a_thread(worker):
    r = worker.run("import threading\nt = threading.Thread(target=lambda: 1/0)\nt.start()\nt.join()")
    assert "ZeroDivisionError" in r.stderr and r.status == "ok"


def test_warnings_name_the_cell(worker):
    r = worker.run("import warnings\nwarnings.warn('careful')")
    assert "<cell 1>:2: UserWarning: careful" in r.stderr


@pytest.mark.parametrize("code", [b"x = '\xff'", b"\xc3\x28", b"x = 1\0"])
def test_source_that_is_no_text(worker, code):
    worker.execution += 1
    worker.send(2, code)
    r = worker.collect()
    assert r.status == "error" and r.error["type"] in ("SyntaxError", "UnicodeDecodeError")
    assert worker.run("1").main == {"text/plain": "1"}


def test_byte_order_mark_and_coding_line(worker):
    assert worker.run("\ufeffprint('é')").stdout == "é\n"
    assert worker.run("# -*- coding: latin-1 -*-\nprint('é')").stdout == "é\n"
    assert worker.run("print('a')\r\nprint('b')\r\n'c'").stdout == "a\nb\n"


def test_too_deep_source(worker):
    assert worker.run("(" * 500 + ")" * 500).status == "error"
    assert worker.run("-" * 100_000 + "1").status == "error"
    assert worker.run("1").main == {"text/plain": "1"}


def test_keyboard_interrupt_raised(worker):
    assert worker.run("raise KeyboardInterrupt").status == "interrupted"


def test_unraisable(worker):
    r = worker.run("class A:\n  def __del__(self): 1/0\nA()\nx = A()\ndel x")
    assert r.status == "ok" and "ZeroDivisionError" in r.stderr
