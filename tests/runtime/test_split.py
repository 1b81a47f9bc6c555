"""The guess of host_split.c against Python's own parser, on the programs of the standard library."""

import ast
import ctypes
import os
import subprocess
import sysconfig
import warnings
from pathlib import Path

import pytest

WHOLE, LAST, UNSURE = range(3)
COMPOUND = (
    ast.If, ast.For, ast.While, ast.Try, ast.TryStar, ast.With, ast.FunctionDef, ast.ClassDef, ast.Match, ast.AsyncFor, ast.AsyncFunctionDef, ast.AsyncWith,
)


class Split(ctypes.Structure):
    _fields_ = [("offset", ctypes.c_size_t), ("line", ctypes.c_size_t)]


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    library = tmp_path_factory.mktemp("split") / "split.so"
    source = Path(__file__).resolve().parents[2] / "runtime" / "host_split.c"
    subprocess.run([os.environ.get("CC", "cc"), "-std=c17", "-shared", "-fPIC", "-O2", "-o", str(library), str(source)], check=True)
    function = ctypes.CDLL(str(library)).host_split

    def call(text):
        ret = Split()
        return function(text, ctypes.c_size_t(len(text)), ctypes.byref(ret)), ret.offset, ret.line

    return call


def compare(split, text):
    """Fails when the guess would show a value that is not to be shown, or hide one, or cut elsewhere than between statements."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        body = ast.parse(text).body
        last = body[-1] if body else None
        kind, offset, line = split(text)
        if kind == WHOLE and isinstance(last, ast.Expr):
            rest = b"".join(text.splitlines(True)[last.end_lineno - 1:])[last.end_col_offset:]
            assert rest.lstrip(b" \t\f\\\r\n").startswith(b";")
        if kind == LAST:
            assert last is not None and not isinstance(last, COMPOUND) and line == last.lineno - 1
            tail = ast.parse(text[offset:]).body
            assert len(tail) == 1 and ast.dump(tail[0]) == ast.dump(last)
            assert len(ast.parse(text[:offset]).body) == len(body) - 1
    return kind


def test_against_the_parser(split):
    seen = {WHOLE: 0, LAST: 0, UNSURE: 0}
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[::3]:
        text = path.read_bytes()
        try:
            body = ast.parse(text).body
        except (SyntaxError, ValueError):
            continue
        lines = text.split(b"\n")
        ends = sorted({node.end_lineno for node in body})
        for end in [*ends[:: max(1, len(ends) // 12)], len(lines)]:  # each is a cell that ends with another statement
            try:
                seen[compare(split, b"\n".join(lines[:end]) + b"\n")] += 1
            except SyntaxError:
                pass  # cut between two statements on one line
    assert seen[WHOLE] > 100 and seen[LAST] > 100, seen


@pytest.mark.parametrize("code", ["x = 1; x", "1;2;3", "if True: pass\nx = 2; x", "x = [\n1]; x", "'''a\n'''; 5"])
def test_what_only_the_parser_can_tell(worker, code):
    expected = ast.literal_eval(ast.unparse(ast.parse(code).body[-1])) if not code.endswith("x") else None
    r = worker.run(code)
    assert r.main is not None and (expected is None or r.main["text/plain"] == repr(expected))
