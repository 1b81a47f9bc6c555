"""A watcher that goes through anything: it reconnects with Last-Event-ID until the terminal event has come."""

import http.client
import time

from .client import SECONDS


def retry(action, seconds=SECONDS):
    """What action returns once the service lets it: refused and cut connections, and 503, are tried again."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            answer = action()
            if getattr(answer, "status", None) != 503:
                return answer
        except (OSError, http.client.HTTPException):
            pass
        assert time.monotonic() < deadline, "the service did not come back"
        time.sleep(0.02)


class Watcher:
    """Follows one execution; `events` is what a client that joins its streams has."""

    def __init__(self, client, execution):
        self.client, self.execution = client, execution
        self.events, self.reconnects = [], 0

    def _follow(self):
        last = self.events[-1].id if self.events else None
        with self.client.events(self.execution, last_event_id=last) as stream:
            for event in stream:
                self.events.append(event)
        return bool(self.events) and self.events[-1].type in ("complete", "error")

    def run(self, seconds=SECONDS):
        deadline = time.monotonic() + seconds
        while True:
            try:
                if self._follow():
                    return self
            except (OSError, http.client.HTTPException):
                time.sleep(0.01)
            self.reconnects += 1
            assert time.monotonic() < deadline, f"no terminal event: {[e.text[:100] for e in self.events[-3:]]}"

    def text(self, kind="stdout"):
        return "".join(e.data for e in self.events if e.type == kind)

    def result(self):
        ends = [e for e in self.events if e.type in ("complete", "error")]
        assert len(ends) == 1 and ends[0] is self.events[-1], [e.type for e in self.events]
        assert ends[0].type == "complete", ends[0].text
        return ends[0].data

    def assert_joined(self):
        """No event twice, none missing, and the same as a late reader gets, byte for byte."""
        numbers = [int(e.id.rpartition("-")[2]) for e in self.events]
        assert numbers == list(range(1, len(numbers) + 1)), numbers
        with self.client.events(self.execution) as late:
            whole = late.rest()
        assert [e.fields for e in whole] == [e.fields for e in self.events]
