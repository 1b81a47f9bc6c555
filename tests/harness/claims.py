"""Several pytest processes share one place: each claims the next file that nobody has claimed yet, and runs it whole.

The claims are files in the directory that PENNY_TEST_CLAIMS names. All collect the same tests, and each says there how many; so what was
claimed by nobody, or by one that did not live to report it, is missed by who adds up the reports (pytest_places.py).
"""

import os
from itertools import groupby
from pathlib import Path

DIRECTORY = os.environ.get("PENNY_TEST_CLAIMS")


def _make(name, text=""):
    """False when it is there already."""
    try:
        with open(Path(DIRECTORY) / name, "x") as file:
            file.write(text)
    except FileExistsError:
        return False
    return True


def _claimed(items):
    """The tests of the files that we get: files with many tests are claimed first, so that the ends come close together."""
    by_file = sorted(items, key=lambda item: item.path)  # stable: the order within a file stays
    files = [list(group) for _, group in groupby(by_file, key=lambda item: item.path)]
    for file in sorted(files, key=len, reverse=True):
        if _make(file[0].path.name):
            yield from file


def run(session):
    """pytest's own loop, over what we can claim."""
    if session.testsfailed and not session.config.option.continue_on_collection_errors:
        raise session.Interrupted(f"{session.testsfailed} errors during collection")
    _make(f"{os.getpid()}.collected", str(len(session.items)))
    items = _claimed(session.items)
    item = next(items, None)
    while item is not None:
        following = next(items, None)  # what this test leaves set up depends on it
        session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
        item = following
    return True
