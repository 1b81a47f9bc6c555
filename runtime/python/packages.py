"""Packages that were installed into this session: each is a read-only directory, which becomes importable by its place in sys.path."""

import importlib
import json
import os
import sys

from . import sandbox_env

_places = []  # of this session, in sys.path behind all others
_root = ""


def start():
    """In the zygote, once. The place is the service's to know and not a session's."""
    global _root
    _root = os.environ.pop("PENNY_LAYERS", "")


def put(wanted):
    """Makes {"layers": [directory names], "imports": [modules]} the packages of this session. Returns the modules that are imported from what
    is no longer among them: until the interpreter is restarted they stay as they are."""
    global _places
    former = set(_places)
    _places = [os.path.join(_root, layer) for layer in wanted["layers"]] if _root else []
    sys.path[:] = [place for place in sys.path if place not in former] + _places
    for place in former.difference(_places):
        sys.path_importer_cache.pop(place, None)
    importlib.invalidate_caches()
    sandbox_env.rules().installed = frozenset(wanted["imports"])
    return _imported_from(former.difference(_places))


def _imported_from(places):
    found = set()
    if not places:  # to look at every module would cost a new session megabytes of memory that it shares till then
        return []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__dict__", {}).get("__file__")
        if type(file) is str and type(name) is str and any(file.startswith(place + os.sep) for place in places):
            found.add(name.partition(".")[0])
    return sorted(found)


def answer(request):
    """REQUEST_INSPECT {"op": "packages", "layers", "imports"}."""
    return json.dumps({"ok": True, "imported": put(request)}).encode()
