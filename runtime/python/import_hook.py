"""The import policy (policies/imports.json): what user code may import in the standard profile.

It judges the imports that user code makes and never those of a permitted library: only the builtins of user code hold this hook.
The wall is the kernel's; this is a courtesy that names the rule and the way round it.
"""

import builtins
import importlib.machinery
import os
import sys
from types import ModuleType


class PolicyViolation(ImportError):
    """User code asked for what the policy does not allow."""


PolicyViolation.__module__ = "builtins"


class Rules:
    def __init__(self, document):
        self.allowed = frozenset(document.get("allowed", ()))
        self.blocked = frozenset(document.get("blocked", ()))
        self.reasons = document.get("reasons", {})
        self.attributes = frozenset(document.get("blockedAttributes", ()))
        restricted = document.get("restricted", {})
        self.lifted = frozenset()  # blocked modules that this run may import, since it may use the network
        self.installed = frozenset()  # top-level modules of packages that the session has installed
        self.builtins = frozenset(restricted.get("builtins", {}).get("blocked", ())) - {"__import__"}
        self.restricted = {
            module: (frozenset(n.split(".")[0] for n in names.get("allowed", ())), frozenset(names.get("blocked", ())))
            for module, names in restricted.items()
            if module != "builtins"
        }
        # Text that does not have one of these in it cannot reach past the list by what guard.py knows.
        self.watched = {"attrgetter"} | self.attributes | {name for _, blocked in self.restricted.values() for name in blocked}
        self.watched |= {name.rpartition(".")[2] for name in self.blocked}
        self.watched |= {"_" + name for name in self.blocked if "." not in name and name[0] != "_"}

    def judge(self, name):
        """None when the module may be imported, else why not."""
        parts = name.split(".")
        for n in range(len(parts), 0, -1):
            prefix = ".".join(parts[:n])
            if prefix in self.lifted:
                return None
            if prefix in self.blocked:
                return self._blocked(prefix)
            if prefix in self.allowed or prefix in self.restricted:
                return None
        public = parts[0].lstrip("_")
        if public != parts[0] and public in self.blocked:
            return self._blocked(public)
        return None if parts[0] in self.installed or is_users_own(parts[0]) else "it is not on the list of allowed modules"

    def judge_name(self, module, name):
        """None when `from module import name` is fine, else why not."""
        if module in self.lifted or f"{module}.{name}" in self.lifted:
            return None
        if f"{module}.{name}" in self.blocked:
            return self._blocked(f"{module}.{name}")
        allowed, blocked = self.restricted.get(module, (frozenset(), frozenset()))
        if name in blocked or (allowed and name not in allowed and name != "*"):
            reason = self.reasons.get(f"restricted.{module}", "only a part of this module is allowed")
            return f"rule restricted.{module}: {reason}" + (f"; allowed: {', '.join(sorted(allowed))}" if allowed else "")
        return None

    def _blocked(self, name):
        reason = self.reasons.get(name)
        return f"rule blocked.{name}" + (f": {reason}" if reason else "")

    def instead(self, name):
        """What to say after a refusal."""
        top = name.split(".")[0]
        near = sorted(m for m in self.allowed if m.split(".")[0] == top)
        if near:
            return f"Allowed instead: {', '.join(near)}."
        shown = [m for m in ("math", "datetime", "json", "pathlib", "numpy", "pandas", "matplotlib") if m in self.allowed]
        shown = shown or sorted(self.allowed)[:7]
        return f"Allowed are {', '.join(shown)} and others, {len(self.allowed)} in all."


def is_users_own(top):
    spec = importlib.machinery.PathFinder.find_spec(top, [os.getcwd()])
    return spec is not None


def refuse(what, why, instead, name=None):
    return PolicyViolation(f"{what} is not allowed in the standard profile ({why}). {instead}".rstrip(), name=name)


def make_import(rules):
    """The __import__ of user code."""
    original = builtins.__import__

    def guarded_import(name, globals=None, locals=None, fromlist=(), level=0):
        if level == 0 and isinstance(name, str) and not _is_from_c(fromlist):
            why = rules.judge(name)
            if why is not None:
                raise refuse(f"import {name}", why, rules.instead(name), name)
            for item in fromlist or ():
                why = rules.judge_name(name, item)
                if why is not None:
                    raise refuse(f"from {name} import {item}", why, rules.instead(f"{name}.{item}"), f"{name}.{item}")
        module = original(name, globals, locals, fromlist, level)
        for item in fromlist or ():
            found = getattr(module, item, None)
            if isinstance(found, ModuleType) and not found.__name__.startswith(name + "."):
                why = rules.judge(found.__name__)
                if why is not None:
                    raise refuse(f"from {name} import {item}", why, rules.instead(found.__name__), found.__name__)
        return module

    return guarded_import


def _is_from_c(fromlist):
    """Whether C code that user code has called imports something for itself (strptime does): such a call looks like the user's own, but
    for an empty list that no import statement makes."""
    return type(fromlist) is list and not fromlist and "__import__" not in sys._getframe(2).f_code.co_names


class UserModules:
    """A finder that gives the user's own modules the builtins of user code, so that they are judged like cells."""

    scope = None  # the builtins to give, or None: then nothing is done

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if cls.scope is None or name.partition(".")[0] == __package__:
            return None
        home = os.getcwd()
        places = [home] if path is None else [p for p in path if os.path.abspath(p).startswith(home + os.sep)]
        spec = importlib.machinery.PathFinder.find_spec(name, places) if places else None
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _UserLoader(spec.loader.name, spec.loader.path)
        return spec


class _UserLoader(importlib.machinery.SourceFileLoader):
    def source_to_code(self, data, path, *, _optimize=-1):
        from . import guard

        guard.check_module(data, path)
        return super().source_to_code(data, path, _optimize=_optimize)

    def exec_module(self, module):
        module.__dict__["__builtins__"] = UserModules.scope
        super().exec_module(module)
