"""Before a cell of the standard profile runs: what no hook would notice is refused, `matplotlib.os` or `f.__globals__`.

Most cells are never looked at: the C side (host_guard.c) compares the names in their code with `watched`, and only a cell that has one
comes here.
"""

import ast
import sys

from . import judge

watched = None  # names that are worth a look, or None: nothing is judged

_rules = None


def start(rules):
    global watched, _rules
    watched, _rules = rules.watched, rules


def stop():
    global watched
    watched = None


def check_cell(source):
    """Raises PolicyViolation for the first thing that is not allowed."""
    from . import runtime

    source = source.removeprefix("\ufeff")
    try:
        tree = ast.parse(source)
    except SyntaxError:
        source = runtime.transform(source)
        tree = ast.parse(source or "")
    _check(tree, source, sys.modules["__main__"].__dict__)


def check_module(data, path):
    """The same for a module of the user's."""
    if watched is None:
        return
    try:
        tree = ast.parse(data, path)
    except (SyntaxError, ValueError):
        return  # the import says so
    _check(tree, "", {})


def _check(tree, source, names):
    for finding in judge.Judge(tree, _rules, names, (source or "").splitlines()).findings():
        if finding.escape:
            raise finding.error()
