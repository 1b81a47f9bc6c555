"""A reader of server-sent events, written from the WHATWG text; it knows nothing of our server."""

import json
from dataclasses import dataclass, field


@dataclass
class Event:
    id: str | None = None
    event: str | None = None
    text: str = ""
    fields: list = field(default_factory=list)  # (name, value) as they came

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def type(self):
        return self.json["type"]

    @property
    def data(self):
        return self.json["data"]


class Parser:
    """feed() takes bytes cut anywhere and returns the events that they complete; comments are kept beside."""

    def __init__(self):
        self.rest = b""
        self.event = Event()
        self.comments = []

    def feed(self, data):
        done = []
        lines = (self.rest + data).split(b"\n")
        self.rest = lines.pop()
        for line in lines:
            line = line.removesuffix(b"\r").decode("utf-8", errors="strict")
            if line == "":
                if self.event.fields:
                    done.append(self.event)
                self.event = Event()
            elif line.startswith(":"):
                self.comments.append(line[1:].strip())
            else:
                self._field(*line.partition(":")[::2])
        return done

    def _field(self, name, value):
        value = value.removeprefix(" ")
        self.event.fields.append((name, value))
        if name == "id":
            self.event.id = value
        elif name == "event":
            self.event.event = value
        elif name == "data":
            self.event.text = value if not self.event.text else self.event.text + "\n" + value


class Stream:
    """An open event stream. Iterate, or ask for the next event of a type; everything seen stays in `seen`."""

    def __init__(self, connection, response):
        self.connection, self.response = connection, response
        self.status, self.headers = response.status, {k.lower(): v for k, v in response.getheaders()}
        self.parser, self.queue, self.seen, self.raw = Parser(), [], [], b""

    def __iter__(self):
        return self

    def __next__(self):
        while not self.queue:
            data = self.response.read1(65536)
            if not data:
                raise StopIteration
            self.raw += data
            self.queue += self.parser.feed(data)
        event = self.queue.pop(0)
        self.seen.append(event)
        return event

    def next(self, kind, contains=None):
        """Reads up to the next event of this type (whose data, for text, contains this)."""
        text = ""
        for event in self:
            if event.type == kind:
                text += event.data if isinstance(event.data, str) else ""
                if contains is None or contains in text:
                    return event
        raise AssertionError(f"the stream ended without {kind} {contains!r}: {[e.text[:120] for e in self.seen]}")

    def rest(self):
        """Reads to the end. Returns every event seen."""
        for _ in self:
            pass
        return self.seen

    def result(self):
        """Reads to the end. Returns the ExecutionResult of the one `complete`."""
        last = [e for e in self.rest() if e.type in ("complete", "error")]
        assert len(last) == 1 and last[0] is self.seen[-1], [e.type for e in self.seen]
        assert last[0].type == "complete", last[0].text
        return last[0].data

    def text(self, kind="stdout"):
        return "".join(e.data for e in self.seen if e.type == kind)

    def close(self):
        self.response.close()
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
