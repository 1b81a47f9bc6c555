"""What surrounds user code: its builtins by profile, its environment, its place in the module path."""

import builtins
import json
import os
import sys

from . import artifacts, guard, import_hook

PROFILES = ("standard", "open")

_rules = None
_restricted = None  # the builtins of the standard profile, made when first needed
_profile = "open"
_main = None
_saved_environment = None
_entered = None


def start(main_module, imports_json, profile):
    global _rules, _main
    _main = main_module.__dict__
    _rules = import_hook.Rules(json.loads(imports_json or "{}"))
    sys.meta_path.insert(0, import_hook.UserModules)
    for name in ("__file__", "__cached__"):
        _main.pop(name, None)
    set_profile(profile)


def set_profile(profile):
    """Takes effect for code that is compiled from now on, and lasts."""
    global _profile, _restricted
    if profile not in PROFILES:
        raise ValueError(f"unknown profile {profile!r}")
    _profile = profile
    if profile == "open":
        _main["__builtins__"] = builtins
        import_hook.UserModules.scope = None
        guard.stop()
        return
    if _restricted is None:
        _restricted = _make_restricted()
    _main["__builtins__"] = import_hook.UserModules.scope = _restricted
    guard.start(_rules)


def enter(directory):
    """Once for each directory: from then on the program goes where it likes."""
    global _entered
    if directory != _entered:
        os.chdir(_place(directory))
        _entered = directory


def _place(directory):
    """Clients know the workspace by these names; without a root of the session's own it lies elsewhere."""
    for name in ("/workspace", "/home/user"):
        if (directory == name or directory.startswith(name + "/")) and not os.path.isdir(name):
            return os.path.normpath(artifacts.home() + directory[len(name) :])
    return directory


def profile():
    return _profile


def rules():
    """The policy of the standard profile."""
    return _rules


def builtins_of_user():
    """Every scope in which user code looks up builtins."""
    return [builtins.__dict__] if _restricted is None else [builtins.__dict__, _restricted]


def _make_restricted():
    scope = dict(builtins.__dict__)
    scope["__import__"] = import_hook.make_import(_rules)
    for name in _rules.builtins:
        if name in scope:
            scope[name] = _refusal(name)
    return scope


def _refusal(name):
    reason = _rules.reasons.get(name)
    why = f"rule restricted.builtins.{name}" + (f": {reason}" if reason else "")

    def refused(*args, **keywords):
        raise import_hook.refuse(f"{name}()", why, "")

    refused.__name__ = refused.__qualname__ = name
    return refused


def check_command(command):
    """A shell command (`!ls`, %system) starts a process: it needs what importing subprocess needs."""
    if _profile == "standard":
        why = _rules.judge("subprocess")
        if why is not None:
            raise import_hook.refuse(f"the command {command[:80]!r}", why, "")


def set_environment(variables):
    """Environment variables of one run."""
    global _saved_environment
    if _saved_environment is None:
        _saved_environment = dict(os.environ)
    for name, value in variables.items():
        os.environ[name] = str(value)


def restore_environment():
    global _saved_environment
    if _saved_environment is not None:
        os.environ.clear()
        os.environ.update(_saved_environment)
        _saved_environment = None
