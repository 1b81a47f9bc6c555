"""The session's variables as VariableData, and the requests of REQUEST_INSPECT about them."""

import keyword
import unicodedata
from time import monotonic, thread_time
from types import BuiltinFunctionType, FunctionType, ModuleType

import _penny

from . import exports, marks, payload, sandbox_env, values

EVENT_VARIABLE = 69

REPORT_LIMIT = 100  # variables of one cell
REPORT_BYTES = 1_000_000
LIST_LIMIT = 1000
NAME_CHARS = 200
LIST_BYTES = 3_000_000
PREPARE_MS = 250  # for user code that is run to describe one variable
LIST_MS = 1000
EXPORT_MS = 10_000
REPLY_BYTES = 15_000_000
CLOCK_SHARE = 0.25  # of the clock's time: see Meter

_main = None


def start(main_module):
    global _main
    _main = main_module.__dict__
    for name in (*_main, "_", "__", "___", "_exit_code", "_dh", "get_ipython", "display", "Out"):
        _hidden.add(name)


_hidden = set()
_not_data = (ModuleType, FunctionType, BuiltinFunctionType, type)
_not_data_names = frozenset({"numpy.ufunc", "numpy._ArrayFunctionDispatcher", "numpy.core._multiarray_umath._ArrayFunctionDispatcher"})


def is_users(name):
    """Whether a name of the session's namespace is none of ours."""
    return type(name) is str and name not in _hidden and not (name.startswith("__") and name.endswith("__"))


def is_listed(name, value):
    """Whether it is the user's data: no module, function, class, type hint or name of ours."""
    if not is_users(name):
        return False
    kind = type(value)
    if issubclass(kind, _not_data):
        return False
    module = values.module_of(kind)
    return not (module in ("typing", "__future__") or f"{module}.{values.name_of(kind)}" in _not_data_names)


def data_of(name, value, detail=False, milliseconds=PREPARE_MS, interruptible=True):
    """VariableData with its name. Whatever user code does while it is described, this returns; an interrupt ends a cell, no request."""
    return {"name": name, **_bounded(value, detail, milliseconds, interruptible)}


def _bounded(value, detail, milliseconds, interruptible):
    if values.is_instant(type(value)):
        return values.describe(value, detail)
    if milliseconds <= 0:
        return {"type": values.type_name(value), "serializable": False, "error": "not described: the others took too long"}
    try:
        with deadline(milliseconds):
            return values.describe(value, detail)
    except Deadline:
        return {"type": values.type_name(value), "serializable": False, "error": f"describing it took more than {milliseconds} ms"}
    except BaseException as error:  # a __repr__ may raise SystemExit too
        if interruptible and isinstance(error, KeyboardInterrupt):
            raise
        return {"type": values.type_name(value), "serializable": False, "error": f"describing it failed: {values.name_of(type(error))}"}


class Deadline(BaseException):
    """User code that we have called runs for too long. Not an Exception: it must get through a careless handler."""


class Meter:
    """What code has taken: processor time, and of what waits a part of the clock's. So it is not blamed for a machine that is busy or stands still."""

    def __init__(self):
        self.spent, self.passed = thread_time(), monotonic()

    def milliseconds(self):
        return 1000 * max(thread_time() - self.spent, CLOCK_SHARE * (monotonic() - self.passed))


_armed = None


class deadline:
    """A with-statement whose body is ended by Deadline after so many ms; up to LIST_MS they are a Meter's, above the clock's."""

    def __init__(self, milliseconds):
        self.milliseconds = milliseconds

    def __enter__(self):
        global _armed
        self.meter = Meter() if self.milliseconds <= LIST_MS else None
        _armed = self
        _penny.deadline(self.milliseconds)

    def __exit__(self, *unused):
        global _armed
        _armed = None
        _penny.deadline(0)

    def is_over(self):
        return self.meter is None or self.meter.milliseconds() >= self.milliseconds


def on_deadline(number, frame):
    """Handler of the deadline's signal. It comes again and again until the body has ended."""
    if _armed is not None and _armed.is_over():
        raise Deadline


def report(changes):
    """Sends EVENT_VARIABLE for (name, value) pairs that a cell has created or changed."""
    sent = 0
    for name, value in [pair for pair in changes if is_listed(*pair)][:REPORT_LIMIT]:
        text = payload.dumps(data_of(name, value))
        sent += len(text)
        if sent > REPORT_BYTES:
            text = payload.dumps({"name": name, "type": values.type_name(value), "truncated": True, "serializable": False})
        _penny.send(EVENT_VARIABLE, text)


def touched(pairs, known):
    """Which of (name, value) differ from what `known` remembers of them. Only for types whose inside the C side cannot see."""
    changed = []
    for name, value in pairs:
        try:
            with deadline(PREPARE_MS):
                mark = marks.mark(value)
        except (Exception, Deadline):
            mark = None
        if known.get(name) != mark:
            changed.append((name, value))
            known[name] = mark
    return changed


class Refused(Exception):
    """A request that cannot be done; its text is the answer."""


def _value(name):
    if type(name) is str and name not in _main:
        name = unicodedata.normalize("NFKC", name)
    if type(name) is not str or name not in _main or not is_listed(name, _main[name]):
        raise KeyError(f"no variable {name!r}")
    return _main[name]


def _listed():
    return [(name, value) for name, value in list(_main.items()) if is_listed(name, value)]


def _list(request):
    found, used, truncated = {}, 0, False
    meter = Meter()
    for name, value in _listed():
        if len(found) >= LIST_LIMIT or used > LIST_BYTES:
            truncated = True
            break
        left = int(LIST_MS - meter.milliseconds())
        text = payload.dumps(data_of(name, value, request.get("detail", False), min(PREPARE_MS, left), False))
        used += len(text)
        found[name] = _Ready(text)
    return {"variables": found, "truncated": truncated}


class _Ready:
    """JSON that is already written."""

    def __init__(self, text):
        self.text = text


def _names(request):
    return {"names": [name for name, _ in _listed()]}


def _modules(request):
    """Which modules the names are, and what of the session's packages can be imported: what the import policy goes by (analyzer.py)."""
    modules = {}
    for name, value in list(_main.items()):
        if type(value) is ModuleType and type(name) is str and len(modules) < LIST_LIMIT:
            module = value.__dict__.get("__name__")
            if type(module) is str and len(module) <= NAME_CHARS >= len(name):
                modules[name] = module
    rules = sandbox_env.rules()
    return {"modules": modules, "installed": sorted(rules.installed)[:LIST_LIMIT] if rules is not None else []}


def _get(request):
    name = request.get("name")
    value = _value(name)
    form = request.get("format", "data")
    paged = "offset" in request or "limit" in request
    offset, limit = int(request.get("offset", 0)), int(request.get("limit", 100))
    if form == "data":
        data = data_of(name, value, True, LIST_MS, False)
        if paged:
            with deadline(LIST_MS):
                data["page"] = exports.page(value, offset, limit)
        return {"variable": data}
    with deadline(EXPORT_MS):
        return exports.export(exports.part(value, offset, limit) if paged else value, form)


def _set(request):
    wanted = request.get("variables")
    if not isinstance(wanted, dict):
        raise Refused("variables must be an object")
    for name in wanted:
        if not is_name(name):
            raise Refused(f"{name!r} is not a name for a variable")
    _main.update((unicodedata.normalize("NFKC", name), value) for name, value in wanted.items())
    answer = _list(request) if request.get("list") else {}
    return {"updated": list(wanted), **answer}


def is_name(name):
    if not name.isidentifier() or keyword.iskeyword(name):
        return False
    return unicodedata.normalize("NFKC", name) not in _hidden and not (name.startswith("__") and name.endswith("__"))


def _delete(request):
    names = request.get("names", [request.get("name")])
    for name in names:
        _value(name)
    for name in names:
        _main.pop(name, None)
    return {"deleted": names}


def _clear(request):
    names = [name for name, _ in _listed()]
    for name in names:
        del _main[name]
    return {"cleared": names}


_operations = {"list": _list, "names": _names, "modules": _modules, "get": _get, "set": _set, "delete": _delete, "clear": _clear}


def add_operation(name, function):
    """Of another module's: a function that gets the request and gives the answer, as those here do."""
    _operations[name] = function


def inspect(request):
    """The answer to one request, as bytes."""
    operation = _operations.get(request.get("op"))
    if operation is None:
        return _failure("ValueError", f"unknown operation {request.get('op')!r}")
    try:
        if "given" in request:
            _set({"variables": request["given"]})
        answer = operation(request)
    except Refused as refusal:
        return _failure("ValueError", str(refusal))
    except (Deadline, KeyboardInterrupt):
        return _failure("TimeoutError", "the variable's own code took too long")
    except KeyError as error:
        return _failure("KeyError", error.args[0] if error.args else "")
    except BaseException as error:  # a __reduce__ may raise SystemExit too
        return _failure(values.name_of(type(error)), message(error))
    finally:
        _penny.settle_names()
    text = _write({"ok": True, **answer})
    return text if len(text) <= REPLY_BYTES else _failure("OverflowError", str(exports.too_large()))


def message(error):
    """What an exception of the user's says of itself, if it does."""
    try:
        with deadline(PREPARE_MS):
            return str(error)[:1000]
    except BaseException:
        return "it could not be read"


def _failure(kind, message):
    return payload.dumps({"ok": False, "error": {"type": kind, "message": message}})


def _write(answer):
    ready = answer.get("variables")
    if not isinstance(ready, dict) or not any(type(v) is _Ready for v in ready.values()):
        return payload.dumps(answer)
    body = b",".join(payload.dumps(name) + b":" + data.text for name, data in ready.items())
    rest = payload.dumps({**answer, "variables": {}})
    return rest.replace(b'"variables":{}', b'"variables":{' + body + b"}", 1)


def set_before_run(wanted):
    """`variables` of a run. Raises ValueError for what is no name."""
    try:
        _set({"variables": wanted})
    except Refused as refusal:
        raise ValueError(str(refusal)) from None

