"""A run that may use the network: by a proxy, which libraries find in the environment, and with the modules that it then has a use for."""

import importlib.util
import os
import sys

from . import sandbox_env

NAMES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


def open_way(proxy, imports):
    sandbox_env.set_environment(dict.fromkeys(NAMES, proxy) | _certificates())
    for name in ("no_proxy", "NO_PROXY"):
        os.environ.pop(name, None)
    _forget_opener(proxy)
    sandbox_env.rules().lifted = frozenset(imports or ())


def _forget_opener(proxy):
    """urllib keeps the proxy of its first use, with the token of that run."""
    module = sys.modules.get("urllib.request")
    opener = getattr(module, "_opener", None)
    place = proxy.rpartition("@")[2]
    for handler in getattr(opener, "handlers", ()):
        if any(str(url).endswith(place) for url in getattr(handler, "proxies", {}).values()):
            module._opener = None
            return


def close_way():
    sandbox_env.rules().lifted = frozenset()


def _certificates():
    """The host's own are not among what a session sees."""
    spec = importlib.util.find_spec("certifi")
    path = os.path.join(os.path.dirname(spec.origin), "cacert.pem") if spec and spec.origin else ""
    return {"SSL_CERT_FILE": path} if os.path.exists(path) else {}
