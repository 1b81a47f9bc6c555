"""What must be done to a library when, and only when, it is imported."""

import importlib.util
import sys
import warnings

_waiting = {}
_searching = set()


def after_import(name, action):
    """Calls action(module) after the module is imported; at once when it is already."""
    if name in sys.modules:
        _act(action, sys.modules[name])
    else:
        _waiting.setdefault(name, []).append(action)


def start():
    sys.meta_path.insert(0, _Finder)


def _act(action, module):
    try:
        action(module)
    except Exception as error:
        warnings.warn(f"{module.__name__} could not be fitted to this service: {error!r}", RuntimeWarning, stacklevel=2)


class _Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name not in _waiting or name in _searching:
            return None
        _searching.add(name)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            _searching.discard(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader:
    def __init__(self, loader):
        self._loader = loader

    def __getattr__(self, name):
        return getattr(self._loader, name)

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        for action in _waiting.pop(module.__name__, []):
            _act(action, module)
