"""A real server to test against, and clients that share no code with ours."""

import os
import shutil

from .client import Client, Response
from .policies import write_policies
from .programs import assert_state_is_true, until_interrupted
from .resuming import Watcher, retry
from .server import BUILD, ROOT, Server, ServerFailed, free_port
from .sse import Event, Stream
from .tiers import TIERS, tier_reason
from .wait import until

PROMTOOL = shutil.which("promtool", path=f"{os.environ.get('PATH', '')}:{ROOT}/build/bin")  # None: not here

__all__ = ["BUILD", "Client", "Event", "PROMTOOL", "ROOT", "Response", "Server", "ServerFailed", "Stream", "TIERS", "Watcher", "assert_state_is_true",
           "free_port", "retry", "tier_reason", "until", "until_interrupted", "write_policies"]
