"""POST /sessions/import, the session's part: an archive comes in parts, as files of the workspace, and becomes files and variables.

Whoever made the archive is believed in nothing. What is read here is read by a new session, in its jail, with its limits: the worst
that an archive can do is what a program in that session could.
"""

import importlib
import json
import os
import re
import unicodedata

import _penny

from . import artifacts, pickles, sandbox_env, values, variables

BLOCK = 512
PIECE = 1 << 20
MANIFEST_MAX = 4 << 20
HISTORY_MAX = 64 << 20
PAX_MAX = 8192
HISTORY_KEPT = 4_000_000  # bytes of cells that are handed to the server
CELLS_MAX = 10_000
LOAD_MS = 12_000
KINDS = ("variable", "file", "package", "history")  # of what can be left behind
OWN_PREFIX = ".penny-upload-"  # names of the server's own in the workspace
VARIABLES_FILE = OWN_PREFIX + "variables"


class Broken(variables.Refused):
    """It is no archive of a session."""


_arrival = None


def answer(request):
    """{"op": "import", "part": path}: one part, which is removed. {"op": "import", "end": true}: all of it has come."""
    global _arrival
    if request.get("first"):
        sandbox_env.set_profile(request["profile"])
        _arrival = _Arrival(request["entries"])
    if _arrival is None:
        raise variables.Refused("no archive has been begun")
    try:
        if "part" in request:
            _arrival.take(os.path.join(artifacts.home(), request["part"]))
            return {}
        arrival, _arrival = _arrival, None
        return arrival.finish()
    except BaseException:
        _arrival = None
        raise


class _Arrival:
    def __init__(self, entries):
        self.entries_left = entries
        self.buffer, self.ended = bytearray(), False
        self.manifest, self.history, self.has_variables = None, None, False
        self.files, self.omitted, self.seen = 0, [], set()
        self.walk = self._walk()
        next(self.walk)

    def take(self, path):
        with open(path, "rb", opener=_open_part) as part:
            os.unlink(path)
            while piece := part.read(PIECE):
                self.buffer += piece
                self._go_on()

    def _go_on(self):
        try:
            self.walk.send(None)
        except StopIteration:
            self.ended = True
            if self.buffer.strip(b"\0"):
                raise Broken("there is something behind the archive's end") from None
            self.buffer.clear()
            self.walk = self._nothing()
            next(self.walk)

    def _nothing(self):
        while True:
            yield
            if self.buffer.strip(b"\0"):
                raise Broken("there is something behind the archive's end")
            self.buffer.clear()

    # ---- tar, as it comes ----

    def _bytes(self, count):
        while len(self.buffer) < count:
            yield
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def _walk(self):
        last, long_name = None, None
        while True:
            head = yield from self._bytes(BLOCK)
            if not head.strip(b"\0"):
                if last != "end.json" or long_name is not None:
                    raise Broken("the archive has no end: it was cut off when it was made")
                if (yield from self._bytes(BLOCK)).strip(b"\0"):
                    raise Broken("one block of zeros within")
                return
            kind, size, mode, modified, name = _read_head(head)
            if last == "end.json":
                raise Broken("there is something behind end.json")
            if kind == b"x":
                long_name = _read_pax((yield from self._small(size, PAX_MAX, "an extended header")))
                continue
            name, long_name = long_name if long_name is not None else name, None
            last = _text(name)
            yield from self._entry(last, kind, size, mode, modified)

    def _small(self, size, limit, what):
        if size > limit:
            raise Broken(f"{what} of {size} bytes")
        data = yield from self._bytes(size)
        yield from self._bytes(-size % BLOCK)
        return data

    def _entry(self, name, kind, size, mode, modified):
        if name in self.seen:
            raise Broken(f"{name[:100]!r} is there twice")
        self.seen.add(name)
        if (self.manifest is None) != (name == "manifest.json"):
            raise Broken("manifest.json is not the first entry")
        if name.startswith("files/"):
            yield from self._file(_safe(name[6:].removesuffix("/") if kind == b"5" else name[6:]), kind, size, mode, modified)
            return
        if kind != b"0":
            raise Broken(f"{name[:100]!r} is not a regular file")
        if name == "manifest.json":
            self.manifest = _read_manifest((yield from self._small(size, MANIFEST_MAX, name)))
        elif name == "variables.pickle":
            self.has_variables = True
            yield from self._body(VARIABLES_FILE, size, 0o600, modified)
        elif name == "history.ipynb":
            self.history = yield from self._small(size, HISTORY_MAX, name)
        elif name == "end.json":
            self.omitted += _read_omitted(_load((yield from self._small(size, MANIFEST_MAX, name))))
        else:
            raise Broken(f"an unknown entry {name[:100]!r}")

    # ---- files ----

    def _file(self, path, kind, size, mode, modified):
        self.entries_left -= 1
        if self.entries_left < 0:
            raise Broken("more files and directories than a session may have")
        if kind == b"5" and size == 0:
            self._omit_if_fails(path, lambda: os.makedirs(_place(path), 0o755, exist_ok=True))
        elif kind == b"0":
            self.files += yield from self._body(path, size, mode & 0o777 | 0o600, modified)
        else:
            raise Broken(f"files/{path[:100]} is neither a file nor a directory")

    def _omit(self, path, error):
        if path == VARIABLES_FILE:
            self.has_variables = False
            for one in self.manifest["variables"]:
                self._omit_variable(one["name"], one["type"], f"no room: {error.strerror}")
            return
        self.omitted.append({"kind": "file", "name": path, "type": "file", "reason": error.strerror or str(error), "at": "import"})

    def _omit_variable(self, name, kind, reason):
        self.omitted.append({"kind": "variable", "name": name, "type": kind, "reason": reason, "at": "import"})

    def _omit_if_fails(self, path, action):
        try:
            return action()
        except OSError as error:
            self._omit(path, error)
            return None

    def _body(self, path, size, mode, modified):
        """Returns whether the file is there, whole."""
        fd = self._omit_if_fails(path, lambda: _create(path, mode))
        left = size
        try:
            while left > 0:
                while not self.buffer:
                    yield
                piece = self.buffer[: min(left, len(self.buffer))]
                del self.buffer[: len(piece)]
                left -= len(piece)
                if fd is not None and self._omit_if_fails(path, lambda: _write(fd, piece)) is None:
                    os.close(fd)
                    os.unlink(_place(path))
                    fd = None
            if fd is not None:
                _set_time(fd, modified)
        finally:
            if fd is not None:
                os.close(fd)
        yield from self._bytes(-size % BLOCK)
        return fd is not None

    # ---- the end ----

    def finish(self):
        if not self.ended:
            raise Broken("the archive is cut off")
        names = self._load_variables()
        modules = self._import_modules()
        _penny.set_execution_count(self.manifest["executionCount"])
        artifacts.note(True)
        return {
            "variables": names,
            "modules": modules,
            "files": self.files,
            "omitted": _read_omitted(self.manifest) + self.omitted,
            "history": _cells(self.history),
        }

    def _import_modules(self):
        done = []
        for name, module in self.manifest["modules"].items():
            why = sandbox_env.rules().judge(module) if sandbox_env.profile() == "standard" else None
            try:
                if why is not None:
                    raise ImportError(f"the standard profile does not allow it ({why})")
                with variables.deadline(LOAD_MS):
                    pickles.main_names()[name] = importlib.import_module(module)
                done.append(name)
            except (Exception, variables.Deadline) as error:
                self._omit_variable(name, "module", _why(error))
        return done

    def _load_variables(self):
        wanted = self.manifest["variables"]
        if not self.has_variables:
            return []
        with open(_place(VARIABLES_FILE), "rb", opener=_open_part) as file:
            os.unlink(_place(VARIABLES_FILE))
            try:
                with variables.deadline(LOAD_MS):
                    found = pickles.load_each(file, [one["bytes"] for one in wanted])
            except (Exception, variables.Deadline) as error:
                found = [(None, error)] * len(wanted)
        done = []
        for one, (value, error) in zip(wanted, found):
            if error is None:
                pickles.main_names()[one["name"]] = value
                done.append(one["name"])
            else:
                self._omit_variable(one["name"], one["type"], _why(error))
        return done


def _why(error):
    if isinstance(error, variables.Deadline):
        return "it took too long"
    return f"{values.name_of(type(error))}: {variables.message(error)}"[:300]


def _open_part(path, flags):
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)


def _place(path):
    return os.path.join(artifacts.home(), path)


def _create(path, mode):
    place = _place(path)
    os.makedirs(os.path.dirname(place), 0o755, exist_ok=True)
    return os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)


def _set_time(fd, modified):
    try:
        os.utime(fd, (modified, modified))
    except (OSError, OverflowError):
        pass  # refused in a jail without namespaces, or no time: the file is of today then


def _write(fd, data):
    view = memoryview(bytes(data))
    while len(view):
        view = view[os.write(fd, view) :]
    return True


# ---- what is in it, checked ----


def _number(field):
    """Octal digits, as every writer of such archives has them."""
    text = field.strip(b" \0")
    if not re.fullmatch(rb"[0-7]*", text):
        raise Broken("a header's number is not octal")
    return int(text or b"0", 8)


def _read_head(head):
    if head[257:262] != b"ustar" or _number(head[148:156]) != sum(head) - sum(head[148:156]) + 8 * 32:
        raise Broken("this is not the header of a tar archive")
    name, prefix = head[:100].split(b"\0")[0], head[345:500].split(b"\0")[0]
    kind = head[156:157].replace(b"\0", b"0")
    return kind, _number(head[124:136]), _number(head[100:108]), _number(head[136:148]), prefix + b"/" + name if prefix else name


def _read_pax(data):
    """The path of an extended header; it has nothing else."""
    found = re.fullmatch(rb"(\d+) path=(.*)\n", data, re.DOTALL)
    if found is None or int(found[1]) != len(data):
        raise Broken("an extended header with something else than a path")
    return found[2]


def _text(name):
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise Broken("a name that is not UTF-8") from None


def _safe(path):
    parts = path.split("/")
    if len(path.encode()) > 1000 or "\0" in path or any(p in ("", ".", "..") or len(p.encode()) > 255 or p.startswith(OWN_PREFIX) for p in parts):
        raise Broken(f"files/{path[:100]} is not a path that may be in an archive")
    return path


def _load(data):
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise Broken("what should be JSON is not") from None
    if not isinstance(found, dict):
        raise Broken("what should be an object is none")
    return found


def _is_name(name):
    return isinstance(name, str) and len(name) <= 1000 and variables.is_name(name) and unicodedata.normalize("NFKC", name) == name


def _read_manifest(data):
    manifest = _load(data)
    found, modules, count = manifest.get("variables"), manifest.get("modules"), manifest.get("executionCount")
    if not isinstance(found, list) or not isinstance(modules, dict) or type(count) is not int or not 0 <= count < 2**31:
        raise Broken("manifest.json lacks something")
    for one in found:
        if not isinstance(one, dict) or not _is_name(one.get("name")) or not isinstance(one.get("type"), str):
            raise Broken("manifest.json names a variable that none can be called")
        if type(one.get("bytes")) is not int or one["bytes"] <= 0:
            raise Broken("manifest.json has a variable without a size")
    if not all(_is_name(n) and isinstance(m, str) and re.fullmatch(r"[\w.]{1,300}", m) for n, m in modules.items()):
        raise Broken("manifest.json names a module that none can be called")
    return manifest


def _read_omitted(document):
    """What was left behind when the archive was made; it is only passed on."""
    found = document.get("omitted", [])
    if not isinstance(found, list):
        raise Broken("`omitted` is not a list")
    return [{**{k: str(one.get(k, ""))[:400] for k in ("kind", "name", "type", "reason")}, "at": "export"} for one in found if isinstance(one, dict) and one.get("kind") in KINDS]


def _cells(data):
    """The newest cells of the notebook that was the history, as far as they are kept."""
    if data is None:
        return []
    cells = _load(data).get("cells")
    kept, room = [], HISTORY_KEPT
    for cell in reversed(cells if isinstance(cells, list) else []):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code" or len(kept) >= CELLS_MAX:
            continue
        size = len(json.dumps(cell))
        if size > room:
            cell = {**cell, "outputs": [], "metadata": {"penny": {"status": "ok", "outputIncomplete": True}}}
            size = len(json.dumps(cell))
        if size > room:
            break
        room -= size
        kept.append(cell)
    return kept[::-1]
