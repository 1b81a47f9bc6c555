"""input(), getpass and sys.stdin: answered by the client, or by text that came with the run."""

import builtins
import io
import sys

import _penny

from . import late, payload

_given = None  # a StringIO when the run brought its own standard input


def start():
    builtins.input = _input
    restore()
    _penny.set_input(restore)
    late.after_import("getpass", _prepare_getpass)


def give(text):
    """The standard input of the run that follows; None: the client is asked."""
    global _given
    _given = None if text is None else io.StringIO(text)


def restore():
    """Puts standard input in place, at the start and before a cell that would not find it there."""
    sys.stdin = sys.__stdin__ = StandardInput()


def _ask(prompt, password):
    return _penny.ask(payload.dumps({"prompt": prompt, "password": password}))


def _line(prompt="", password=False):
    """One line with its newline, or "" at the end of a given input."""
    if _given is None:
        answer = _ask(prompt, password)
        return "" if answer == "\x04" else answer + "\n"  # Ctrl-D, as on a terminal: the end of the input
    if prompt:
        sys.stdout.write(prompt)
    return _given.readline()


def _input(prompt="", /):
    """Read a line from standard input, without its newline. The prompt is shown to the one who answers."""
    stream = sys.stdin
    if type(stream) is StandardInput:
        line = _line(str(prompt))
    else:
        sys.stdout.write(str(prompt))
        sys.stdout.flush()
        line = stream.readline()
    if not line:
        raise EOFError("EOF when reading a line")
    return line[:-1] if line.endswith("\n") else line


_input.__name__ = _input.__qualname__ = "input"
_input.__module__ = "builtins"


class StandardInput(io.TextIOBase):
    """sys.stdin of a session."""

    name = "<stdin>"
    mode = "r"
    encoding = "utf-8"
    errors = "strict"

    def readable(self):
        return True

    def fileno(self):
        return 0

    def isatty(self):
        return False

    _rest = ""  # of a line of which only a part was asked for

    def readline(self, size=-1, /):
        self._check()
        return self._take(self._rest or _line(), size)

    def read(self, size=-1, /):
        self._check()
        if _given is not None and not self._rest:
            return _given.read(size)
        return self._take(self._rest or _line(), size)

    def _take(self, line, size):
        end = len(line) if size is None or size < 0 else size
        self._rest = line[end:]
        return line[:end]

    def close(self):
        super().close()
        if sys.__stdin__ is self:
            sys.__stdin__ = None  # so that the next cell finds another

    def _check(self):
        if self.closed:
            raise ValueError("I/O operation on closed file.")


def _prepare_getpass(module):
    def getpass(prompt="Password: ", stream=None):
        line = _line(prompt, True)
        if not line:
            raise EOFError
        return line.rstrip("\n")

    getpass.__doc__ = module.getpass.__doc__
    module.getpass = module.unix_getpass = getpass
