"""What every kind of suite gives run.py: its parts, each of which runs on its own beside others, and what came of it."""

import threading
from dataclasses import dataclass, field
from typing import Callable

_printing = threading.Lock()


@dataclass
class Outcome:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    notes: list = field(default_factory=list)  # lines that are shown in any case: what was skipped and why, what was slow
    output: str = ""  # shown at the end, if something failed


@dataclass
class Suite:
    kind: str
    name: str
    parts: list  # of callables without arguments
    outcome: Callable  # (the values of the parts) -> Outcome
    is_alone: bool = False  # what it shows would be blurred by others that keep the processors busy


def say(kind, text, notes=()):
    """One block on the terminal, whoever else is speaking."""
    with _printing:
        print(f"  {kind:8} {text}", *(f"           {note}" for note in notes), sep="\n", flush=True)


def words(outcome):
    return (f"{outcome.passed} passed" + (f", {outcome.skipped} skipped" if outcome.skipped else "")
            + (f", {outcome.failed} FAILED" if outcome.failed else ""))
