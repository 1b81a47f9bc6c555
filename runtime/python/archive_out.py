"""GET .../export, the session's part: its variables into a file of the workspace, and what could not go, and why.

The server makes the archive (server/archive.h); it takes the files itself.
"""

import os
import sys
import time
from types import ModuleType

from . import artifacts, pickles, values, variables

TRY_MS = 5000  # for finding out what can go
ONE_MS = 3000  # ... of it, for one variable
WRITE_MS = 6000
NAMES_MAX = 10_000


class TooLarge(Exception):
    why = ""  # the same for all of one export


class Full(TooLarge):
    why = "the workspace has no room for it, in which variables are packed"


class _Scale:
    """A file that only weighs what is written."""

    def __init__(self, room):
        self.room, self.size = room, 0

    def write(self, data):
        self.size += memoryview(data).nbytes
        if self.size > self.room:
            raise TooLarge
        return memoryview(data).nbytes


def answer(request):
    """{"op": "export", "path", "room", "why"}: writes the file `path` of the workspace, of at most `room` bytes; `why` is said of what does not fit."""
    modules, wanted, omitted = _sort(list(pickles.main_names().items()))
    path, room = os.path.join(artifacts.home(), request["path"]), request["room"]
    TooLarge.why = request["why"]
    sizes = _weigh(wanted, room, omitted)
    try:
        written = _write(path, {name: wanted[name] for name in sizes}, sizes, room, omitted)
    except BaseException:
        _remove(path)
        raise
    names = [{"name": name, "type": values.type_name(wanted[name]), "bytes": size} for name, size in written]
    return {"variables": names, "modules": modules, "omitted": omitted}


def _sort(pairs):
    """Modules by name, what else there is of the user's, and what can't go for what it is."""
    modules, wanted, omitted = {}, {}, []
    for name, value in pairs:
        if not variables.is_users(name):
            continue
        if len(modules) + len(wanted) >= NAMES_MAX:
            omitted.append(_omission(name, value, f"there are more than {NAMES_MAX} names"))
            break
        if not issubclass(type(value), ModuleType):
            wanted[name] = value
        elif sys.modules.get(_module_name(value)) is value:
            modules[name] = _module_name(value)
        else:
            omitted.append(_omission(name, value, "a module that can't be found again by its name"))
    return modules, wanted, omitted


def _module_name(module):
    name = ModuleType.__getattribute__(module, "__dict__").get("__name__")
    return name if type(name) is str else ""


def _omission(name, value, reason):
    return {"kind": "variable", "name": name, "type": values.type_name(value), "reason": reason}


def _why(error):
    if isinstance(error, TooLarge):
        return error.why
    if isinstance(error, variables.Deadline):
        return "it took too long"
    if isinstance(error, MemoryError):
        return "no memory for a copy of it"
    text = variables.message(error)
    return f"{values.name_of(type(error))}: {text}"[:300] if text else values.name_of(type(error))


def _weigh(wanted, room, omitted):
    """The size of each that can go alone; what can't goes to omitted."""
    end, sizes = time.monotonic() + TRY_MS / 1000, {}
    for name, value in wanted.items():
        scale, left = _Scale(room), int((end - time.monotonic()) * 1000)
        try:
            if left <= 0:
                raise variables.Deadline
            with variables.deadline(min(left, ONE_MS)):
                pickles.Pickler(scale).dump(value)
            sizes[name] = scale.size
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a __reduce__ may raise SystemExit too
            omitted.append(_omission(name, value, _why(error)))
    return sizes


def _write(path, wanted, sizes, room, omitted):
    """[(name, bytes)] in the order of the file. When there is no room for all, the largest stays behind."""
    while True:
        try:
            with variables.deadline(WRITE_MS):
                return _write_all(path, wanted, room)
        except (TooLarge, MemoryError, OSError) as error:
            if not wanted:
                raise
            largest = max(wanted, key=sizes.get)
            omitted.append(_omission(largest, wanted.pop(largest), _why(Full() if isinstance(error, OSError) else error)))


def _write_all(path, wanted, room):
    written, before = [], 0
    with open(path, "wb", opener=_opener, buffering=0) as file:
        pickler = pickles.Pickler(_Limited(file, room))
        for name, value in wanted.items():
            pickler.dump(value)
            written.append((name, file.tell() - before))
            before = file.tell()
    return written


class _Limited:
    def __init__(self, file, room):
        self.file, self.left = file, room

    def write(self, data):
        view = memoryview(data).cast("B")
        self.left -= len(view)
        if self.left < 0:
            raise TooLarge
        while len(view):
            view = view[self.file.write(view) :]


def _opener(path, flags):
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)


def _remove(path):
    try:
        os.unlink(path)
    except OSError:
        pass
