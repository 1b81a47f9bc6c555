"""A command line of a cell: `!ls`, `x = !ls`."""

import contextlib
import os
import signal
import subprocess

import _penny

GRACE_S = 0.25  # for the shell to end by itself; then it is killed, and what it has started is interrupted once more. Who ignores that goes on


def run(line, **pipes):
    """Returns its status and, where stdout is a pipe, what it wrote.

    An interrupt ends it, whenever it comes: while a process is being made it waits, or nobody would know of the process. The command is in a session of
    its own, since it may have been made after the interrupt was sent to the group.
    """
    process = None
    try:
        _penny.hold(True)
        try:
            process = subprocess.Popen(["/bin/sh", "-c", line], stdin=subprocess.DEVNULL, start_new_session=True, **pipes)
        finally:
            _penny.hold(False)
        process._sigint_wait_secs = 0  # it has not been told yet
        output, _ = process.communicate()
        return process.returncode, output
    except BaseException:
        if process is not None:
            _interrupt(process)
        raise


def _interrupt(process):
    _signal(process.pid)
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _signal(process.pid)  # a shell that is just starting a program swallows the first one


def _signal(group):
    with contextlib.suppress(OSError):
        os.killpg(group, signal.SIGINT)
