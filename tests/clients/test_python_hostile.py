"""The Python client, blocking and not, against services that cut, repeat, leave out and lie."""

import asyncio
import json
import threading

import pytest
import sandbox_executor as package
from harness import until
from harness.fake_service import FakeService, answer, head, stream_head
from sandbox_executor import AsyncSandboxClient, SandboxClient
from sandbox_executor.api import Patience

QUICK = Patience(api_timeout=60, delay=0, resume_attempts=5, resume_delay_max=0, stream_silence=60)
RESULT = {"success": True, "status": "ok", "sessionId": "s", "executionId": "e", "executionCount": 1, "output": {"stdout": "1", "stderr": "", "plots": [], "variables": {}, "results": []},
          "metrics": {}, "artifacts": [], "state": "kept", "truncated": True}


def event(number, kind, data, eol="\n"):
    """In several `data:` lines: JSON may be broken between its members."""
    text = json.dumps({"type": kind, "data": data, "timestamp": "t", "executionId": "e", "sessionId": "s"}, ensure_ascii=False, indent=1 if number % 2 else None)
    lines = [f"id: ab-{number}", f"event: {kind}", *(f"data: {line}" for line in text.split("\n")), "", ""]
    return eol.join(lines).encode()


def run_events(eol="\n"):
    """The events of a run, as they are on the wire."""
    plot = json.dumps({"id": "p", "format": "png", "data": "AAAA"})
    events = [("start", {"executionCount": 1}), ("stdout", "1é"), ("stdout", "😀2\n"), ("part", {"type": "plot", "part": 0, "parts": 2, "chunk": plot[:9]}),
              ("part", {"type": "plot", "part": 1, "parts": 2, "chunk": plot[9:]}), ("stderr", "x"), ("complete", RESULT)]
    return [event(n, kind, data, eol) for n, (kind, data) in enumerate(events, 1)]


def check(result):
    assert result.stdout == "1é😀2\n" and result.stderr == "x" and result.plots == [{"id": "p", "format": "png", "data": "AAAA"}] and not result.truncated


def blocking(url, patience=QUICK):
    client = SandboxClient(url)
    client.api.patience = patience
    try:
        return client.stream("1", "s").result()
    finally:
        client.close()


def unblocking(url, patience=QUICK):
    async def main():
        async with AsyncSandboxClient(url) as client:
            client.api.patience = patience
            return await client.stream("1", "s").result()
    return asyncio.run(main())


BOTH = pytest.mark.parametrize("run", [blocking, unblocking], ids=["blocking", "asyncio"])


def after(request):
    last = request[2].get("last-event-id")
    return int(last.split("-")[1]) if last else 0


def resumable(first, events=None):
    """The POST's answer is `first` (bytes, one after the other); each GET has the rest of the events."""
    events = events or run_events()

    def script(request, number):
        if request[0] == "POST":
            assert json.loads(request[3])["code"] == "1"
            yield from first
        else:
            assert request[1] == "/api/v1/executions/e/events"
            yield stream_head()
            yield b"".join(events[after(request):])
    return script


@BOTH
@pytest.mark.parametrize("eol", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_a_stream_byte_by_byte(run, eol):
    data = stream_head() + f": a comment{eol}{eol}retry: 0{eol}unknown: field{eol}{eol}".encode() + b"".join(run_events(eol))
    with FakeService(lambda request, number: (data[i:i + 1] for i in range(len(data)))) as fake:
        check(run(fake.url))
        assert len(fake.requests) == 1


@BOTH
def test_cut_at_every_byte_nothing_is_lost_and_the_code_is_sent_once(run):
    whole = stream_head() + b"".join(run_events())
    start = len(stream_head())
    for cut in range(start, len(whole), 1 if run is blocking else 7):
        with FakeService(resumable([whole[:cut]])) as fake:
            check(run(fake.url))
            assert fake.count("POST") == 1 and fake.count("GET") == 1, cut


@BOTH
def test_every_connection_brings_one_event(run):
    events = run_events()

    def script(request, number):
        yield stream_head() + events[after(request)] + b"data: cut"
    with FakeService(script) as fake:
        check(run(fake.url))
        assert fake.count("POST") == 1 and fake.count("GET") == len(events) - 1


@BOTH
@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: nothing\n\n"], ids=["nothing", "half a head", "no id"])
def test_a_run_that_may_have_started_is_not_started_again(run, first):
    with FakeService(lambda request, number: [first]) as fake:
        with pytest.raises(package.StreamLostError) as lost:
            run(fake.url)
        assert lost.value.execution_id is None and fake.count("POST") == 1


@BOTH
def test_events_that_come_twice_and_one_that_is_missing(run):
    events = run_events()
    with FakeService(resumable([stream_head(), events[0], events[0], events[1], events[0], events[3], events[4]])) as fake:
        check(run(fake.url))
        assert fake.count("GET") == 1, "what lacks an event is left, and asked for again"


@BOTH
def test_a_service_that_is_away_for_a_while(run):
    events = run_events()

    def script(request, number):
        if request[0] == "POST":
            yield stream_head() + events[0]
        elif number == 2:
            yield answer({"message": "restarting"}, 503, Retry_After=0)
        elif number == 3:
            yield b"HTTP/1.1 "
        else:
            yield stream_head() + b"".join(events[after(request):])
    with FakeService(script) as fake:
        check(run(fake.url))


@BOTH
def test_a_stream_that_can_t_be_resumed(run):
    with FakeService(lambda request, number: [stream_head() + run_events()[0]]) as fake:
        with pytest.raises(package.StreamLostError) as lost:
            run(fake.url)
        assert (lost.value.execution_id, lost.value.last_event_id) == ("e", "ab-1") and fake.count("POST") == 1
        assert fake.count("GET") == QUICK.resume_attempts + 1


@BOTH
def test_a_run_that_the_service_has_forgotten(run):
    script = resumable([stream_head() + run_events()[0]])
    with FakeService(lambda r, n: script(r, n) if r[0] == "POST" else [answer({"code": "GONE", "message": "expired"}, 410)]) as fake:
        with pytest.raises(package.GoneError, match="expired"):
            run(fake.url)


@BOTH
def test_a_gap_is_told_by_the_result(run):
    gap = event(5, "gap", {"after": 1, "next": 6, "reason": "dropped"})
    with FakeService(lambda r, n: [stream_head(), run_events()[0], gap, *run_events()[5:]]) as fake:
        assert run(fake.url).truncated is True


@BOTH
def test_a_silent_stream_is_resumed(run):
    hold = threading.Event()

    def script(request, number):
        yield from resumable([stream_head() + run_events()[0]])(request, number)
        if request[0] == "POST":
            hold.wait(30)
    with FakeService(script) as fake:
        check(run(fake.url, Patience(delay=0, stream_silence=0.5, resume_delay_max=0, resume_attempts=50)))
        hold.set()


@BOTH
@pytest.mark.parametrize("wire", [
    answer(b"<html>", Content_Type="text/html"), stream_head() + b"data: {\n\nx", stream_head() + b'data: {"type": 5}\n\n', stream_head() + event(1, "complete", "x"),
    stream_head() + event(1, "complete", {"output": 5}), stream_head() + event(1, "complete", {"error": "x", "output": {"stdout": {}}}), stream_head() + event(1, "part", None),
    head(Content_Type="text/event-stream", X="y" * 70000), b"\x00\x01\x02\r\n\r\n", stream_head() + b"data: " + b"[" * 100_000 + b"\n\n"])
def test_nonsense_is_a_protocol_error(run, wire):
    with FakeService(lambda request, number: [wire]) as fake:
        with pytest.raises(package.ProtocolError):
            run(fake.url)
        assert fake.count("POST") == 1


@BOTH
def test_an_error_event_is_the_service_s_failure(run):
    with FakeService(lambda r, n: [stream_head(), event(1, "error", {"error": "LOST", "message": "no disk"})]) as fake:
        with pytest.raises(package.StreamFailedError, match="no disk") as failed:
            run(fake.url)
        assert failed.value.execution_id == "e"


# ---- requests ----


def client(fake, **patience):
    made = SandboxClient(fake.url)
    made.api.patience = Patience(**{"delay": 0, "api_timeout": 60, **patience})
    return made


@pytest.mark.parametrize("script,kind", [
    (lambda r, n: [b""], package.SandboxConnectionError), (lambda r, n: [answer(RESULT)[:-5]], package.SandboxConnectionError),
    (lambda r, n: [answer({"message": "no"}, 503)], package.ServerError), (lambda r, n: [answer(b"<html>", 502)], package.ServerError),
    (lambda r, n: [answer([])], package.ProtocolError), (lambda r, n: [answer(b"{")], package.ProtocolError), (lambda r, n: [answer({"error": 5})], package.ProtocolError)])
def test_a_run_is_never_sent_twice(script, kind):
    with FakeService(script) as fake:
        with pytest.raises(kind) as raised:
            client(fake).session("s").execute("1")
        assert fake.count("POST") == 1 and getattr(raised.value, "sent", True) is True


def test_what_was_refused_for_its_rate_is_sent_again():
    with FakeService(lambda r, n: [answer({"message": "slow"}, 429, Retry_After=0) if n < 3 else answer(RESULT)]) as fake:
        assert client(fake).session("s").execute("1").stdout == "1" and fake.count("POST") == 3


def test_a_long_wait_is_the_caller_s():
    with FakeService(lambda r, n: [answer({"message": "slow"}, 429, Retry_After=3600)]) as fake:
        with pytest.raises(package.RateLimitError) as limited:
            client(fake).session("s").execute("1")
        assert limited.value.retry_after == 3600 and len(fake.requests) == 1


def test_a_read_is_repeated_but_not_for_ever():
    with FakeService(lambda r, n: [[b"", answer({}, 503), answer({"a": 1})][n - 1]]) as fake:
        assert client(fake).session("s").get() == {"a": 1}
    with FakeService(lambda r, n: [b""]) as fake:
        with pytest.raises(package.SandboxConnectionError):
            client(fake).session("s").get()
        assert fake.count("GET") == 4


def test_variables_of_a_session_that_is_busy_for_a_moment():
    busy = answer({"code": "SESSION_BUSY", "message": "busy"}, 409)
    with FakeService(lambda r, n: [busy if n < 3 else answer({"variables": {"x": {}}})]) as fake:
        assert client(fake).session("s").variables() == {"x": {}}
    with FakeService(lambda r, n: [busy]) as fake:
        with pytest.raises(package.ConflictError):
            client(fake).session("s").execute("1", queue=False)
        assert len(fake.requests) == 1


def test_no_answer_is_a_timeout():
    hold = threading.Event()
    with FakeService(lambda r, n: iter(lambda: hold.wait(30) and None, None)) as fake:
        with pytest.raises(package.RequestTimeoutError, match="API request timed out after 0.2 seconds"):
            client(fake, api_timeout=0.2).session("s").get()
        until(lambda: fake.requests, "it has been asked")
        assert len(fake.requests) == 1
        hold.set()


def test_a_connection_that_was_closed_while_idle_is_not_used():
    with FakeService(lambda r, n: [answer({"n": n})]) as fake:  # closes without saying so
        made = client(fake)
        assert [made.session("s").get()["n"] for _ in range(5)] == [1, 2, 3, 4, 5]
        made.close()


def test_an_answer_that_lacks_what_it_should_have():
    with FakeService(lambda r, n: [answer({})]) as fake:
        for ask in (lambda c: c.create_session(), lambda c: c.session("s").variables(), lambda c: c.session("s").fork(), lambda c: c.session("s").start("1"), lambda c: c.execute("1")):
            with pytest.raises(package.ProtocolError):
                ask(client(fake))


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_no_name_leads_elsewhere(name):
    with FakeService(lambda r, n: [answer({})]) as fake:
        with pytest.raises(package.SandboxException):
            client(fake).session("s").read_file(f"a/{name}/b")
        with pytest.raises(package.SandboxException):
            client(fake).session(name)
        assert fake.requests == []


def test_names_are_encoded():
    with FakeService(lambda r, n: [answer(b"x")]) as fake:
        client(fake).session("a/b?c").read_file("d e/é#?%")
        assert fake.requests[0][1] == "/api/v1/sessions/a%2Fb%3Fc/files/d%20e/%C3%A9%23%3F%25"
