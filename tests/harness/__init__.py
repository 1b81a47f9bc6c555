"""A real server to test against, and clients that share no code with ours."""

from .client import Client, Response
from .server import Server, ServerFailed
from .sse import Event, Stream
from .tiers import TIERS, tier_reason
from .wait import until

__all__ = ["Client", "Event", "Response", "Server", "ServerFailed", "Stream", "TIERS", "tier_reason", "until"]
