"""Variables as bytes and back: cloudpickle, with functions and classes of the session by value, and everything they share kept shared.

One pickler writes all variables, each as a pickle of its own that may refer to those before it, so that one which cannot be read
later costs that one and what hangs on it, not all.
"""

import functools
import importlib
import io
import pickle
import pickletools
import sys
import types

import _thread
import cloudpickle

from . import sandbox_env

MAIN = "penny.main"  # the persistent id of the session's own namespace

_by_value = "cloudpickle.cloudpickle"
# What a pickle may name in the standard profile besides what user code may import: how Python's and the libraries' own types are made.
_makers = frozenset(
    {"_codecs.encode", "_io.BytesIO", "_io.StringIO", "_operator.itemgetter", "copyreg.__newobj__", "copyreg.__newobj_ex__"}
    | {"copyreg._reconstructor", "functools.partial", "types.CellType", "types.CodeType", "types.MappingProxyType"}
    | {"types.MethodType", "types.SimpleNamespace", "types.GenericAlias", "types.UnionType", "pathlib.PosixPath", "pathlib.PurePosixPath"}
)


_cached = functools._lru_cache_wrapper
_become_others = {memoryview: "a view of memory", io.TextIOWrapper: "an open file"}  # cloudpickle: bytes, io.StringIO


def main_names():
    return sys.modules["__main__"].__dict__


class Pickler(cloudpickle.Pickler):
    """A function of the session goes without its globals: they are the session's, and travel as its variables."""

    def __init__(self, file):
        super().__init__(file, protocol=5)
        self._main = main_names()
        self.globals_ref[id(self._main)] = self._main

    def persistent_id(self, value):
        return MAIN if value is self._main else None

    def reducer_override(self, value):
        """What cloudpickle would make something else of without a word, or only name, is refused or taken along."""
        kind = type(value)
        if kind in _become_others:
            raise pickle.PicklingError(f"{_become_others[kind]} can't be taken along")
        if kind is _cached and value.__module__ == "__main__":
            parameters = value.cache_parameters()
            return _cached, (value.__wrapped__, parameters["maxsize"], parameters["typed"])
        return super().reducer_override(value)

    def _dynamic_function_reduce(self, func):
        reduced = super()._dynamic_function_reduce(func)
        if func.__globals__ is self._main:
            reduced[2][1]["__globals__"] = {}
        return reduced


def make_function(code, names, name=None, defaults=None, closure=None):
    """As cloudpickle's, with the builtins that the session's profile gives to user code."""
    _judge_code(code)
    names["__builtins__"] = main_names()["__builtins__"]
    return types.FunctionType(code, names, name, defaults, closure)


def make_cached(function, maxsize, typed):
    return functools.lru_cache(maxsize=maxsize, typed=typed)(function)


def set_function(function, state):
    attributes, slots = state
    function.__dict__.update(attributes)
    names, cells = slots.pop("__globals__"), slots.pop("__closure__")
    slots.pop("_cloudpickle_submodules", None)
    names.pop("__builtins__", None)
    function.__globals__.update(names)
    for place, cell in zip(function.__closure__ or (), cells or ()):
        try:
            place.cell_contents = cell.cell_contents
        except ValueError:  # an empty one
            continue
    for name, value in slots.items():
        setattr(function, name, value)


def find_module(name):
    """cloudpickle's subimport."""
    if _is_standard() and name == "_thread":  # by every dataclass's __repr__
        return types.SimpleNamespace(get_ident=_thread.get_ident)
    _judge_module(name)
    return importlib.import_module(name)


def builtin_type(name):
    if name in ("FunctionType", "LambdaType"):
        return make_function
    return getattr(types, name)


def get_attribute(value, name, *default):
    """getattr(), which would lead past the list as a dotted name would."""
    if _is_standard() and name in sandbox_env.rules().attributes:
        raise pickle.UnpicklingError(f"{name} is not allowed in the standard profile")
    found = getattr(value, name, *default)
    if isinstance(found, types.ModuleType):
        _judge_module(found.__name__)
    return found


# What is found in place of what is named, so that the profile holds for it.
_instead = {
    (_by_value, "_make_function"): make_function,
    (_by_value, "_function_setstate"): set_function,
    (_by_value, "_builtin_type"): builtin_type,
    (_by_value, "subimport"): find_module,
    ("functools", "_lru_cache_wrapper"): make_cached,
    ("types", "FunctionType"): make_function,
    ("types", "LambdaType"): make_function,
    ("builtins", "getattr"): get_attribute,
    ("__builtin__", "getattr"): get_attribute,
}
_of_cloudpickle = frozenset(
    "_class_setstate _file_reconstructor _get_dataclass_field_type_sentinel _make_cell _make_dict_items _make_dict_keys _make_dict_values _make_empty_cell "
    "_make_skeleton_class _make_skeleton_enum _make_typevar".split()
)


def _is_standard():
    return sandbox_env.profile() == "standard"


def _judge_module(name):
    why = sandbox_env.rules().judge(name) if _is_standard() else None
    if why is not None:
        raise pickle.UnpicklingError(f"the module {name} is not allowed in the standard profile ({why})")


def _judge_code(code):
    if not _is_standard():
        return
    for name in code.co_names:
        if name in sandbox_env.rules().attributes:
            raise pickle.UnpicklingError(f"its code uses {name}, which the standard profile does not allow")
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            _judge_code(constant)


def _judge_name(module, name):
    """Raises when user code of this profile could not get at it by an import."""
    full = f"{module}.{name}"
    if not _is_standard() or module == "__main__" or full in _makers or (module == _by_value and name in _of_cloudpickle):
        return
    rules = sandbox_env.rules()
    if name.rpartition(".")[2] in ("attrgetter", "__getattribute__", "__getattr__") or not rules.attributes.isdisjoint(name.split(".")):
        raise pickle.UnpicklingError(f"{full} is not allowed in the standard profile")
    module = module.lstrip("_") or module  # the part in C of what may be imported
    why = rules.judge_name("builtins", name) if module in ("builtins", "builtin__") else rules.judge(module) or rules.judge_name(module, name)
    if module in ("builtins", "builtin__") and name.partition(".")[0] in rules.builtins | {"__import__"}:
        why = "a restricted builtin"
    if why is not None:
        raise pickle.UnpicklingError(f"{full} is not allowed in the standard profile ({why})")


class _Reading:
    """What the fast unpickler and the patient one share."""

    def persistent_load(self, name):
        if name != MAIN:
            raise pickle.UnpicklingError("an unknown persistent id")
        return main_names()

    def find_class(self, module, name):
        if (module, name) in _instead:
            return _instead[module, name]
        _judge_name(module, name)
        found = super().find_class(module, name)
        if _is_standard():
            self._judge_found(module, name, found)
        return found

    def _judge_found(self, module, name, found):
        """A dotted name, or a module in a module, would lead past the list."""
        parts, at = name.split("."), sys.modules[module]
        for part in parts:
            at = getattr(at, part)
            if isinstance(at, types.ModuleType) and (at is not found or sandbox_env.rules().judge(at.__name__) is not None):
                raise pickle.UnpicklingError(f"{module}.{name} is not allowed in the standard profile (it leads to the module {at.__name__})")


class _Fast(_Reading, pickle.Unpickler):
    pass


class _Memo(dict):
    """Of the patient unpickler: what a pickle that failed would have made is not there."""

    def __getitem__(self, index):
        if index not in self:
            raise pickle.UnpicklingError("it shares something with a variable that could not be read")
        return super().__getitem__(index)


class _Patient(_Reading, pickle._Unpickler):
    next_index = 0  # of what is memoized next

    def __init__(self, file):
        super().__init__(file)
        self.memo = _Memo()

    def load_memoize(self):
        self.memo[self.next_index] = self.stack[-1]
        self.next_index += 1

    dispatch = {**pickle._Unpickler.dispatch, pickle.MEMOIZE[0]: load_memoize}


class _Window:
    """One pickle of a file as a file of its own. Without peek(), so that nobody reads beyond what is asked for."""

    def __init__(self, file):
        self.file, self.left = file, 0

    def read(self, size=-1):
        data = self.file.read(self.left if size < 0 else min(size, self.left))
        self.left -= len(data)
        return data

    def readline(self):
        data = self.file.readline(self.left)
        self.left -= len(data)
        return data

    def readinto(self, place):
        data = self.read(len(place))
        place[: len(data)] = data
        return len(data)


def load_each(file, sizes):
    """The values of pickles of these sizes, one behind the other: for each (value, None), or (None, why it is lost)."""
    start = file.tell()
    window = _Window(file)
    fast, found = _Fast(window), []
    try:
        for size in sizes:
            window.left = size
            found.append((fast.load(), None))
        return found
    except Exception:
        file.seek(start)
        return _load_patiently(file, sizes)


def _load_patiently(file, sizes):
    """Again from the beginning by Python's own unpickler, which can go on behind a failure."""
    found, first, at = [], 0, file.tell()
    window = _Window(file)
    patient = _Patient(window)
    for size in sizes:
        file.seek(at)
        window.left = size
        patient.next_index = first
        try:
            found.append((patient.load(), None))
        except Exception as error:
            found.append((None, error))
            file.seek(at)
            patient.next_index = first + _count_memoized(file.read(size))
            for index in [i for i, value in patient.memo.items() if i >= first and not _is_whole(value)]:
                del patient.memo[index]
        first = patient.next_index
        at += size
    return found


def _is_whole(value):
    """Whether what a failed pickle had made by then is surely as it should be: what cannot be filled later, and what a library has."""
    kind = type(value)
    if kind in (str, bytes, int, float):
        return True
    return kind in (type, types.FunctionType, types.BuiltinFunctionType) and getattr(sys.modules.get(value.__module__), value.__qualname__, None) is value


def _count_memoized(data):
    try:
        return sum(opcode.name == "MEMOIZE" for opcode, _, _ in pickletools.genops(data))
    except Exception as error:  # not a pickle: nothing behind it can be told apart any more
        raise pickle.UnpicklingError("the variables are damaged") from error
