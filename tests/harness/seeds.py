"""The documents of the systems whose users we serve, where they are at hand, and the examples in them."""

import re

import pytest

from .server import ROOT

SEEDS = ROOT.parent / "shared" / "seeds"


def document(name):
    path = SEEDS / name
    if not path.exists():
        pytest.skip(f"the document is not here: {name}")
    return path.read_text()


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
