"""The Python side of a session. Imported once, in the zygote; every session is a fork of it."""

from . import errors, runtime  # noqa: F401
