"""Parsers of the Python client, without a connection: whole, byte by byte, cut at every point; and what no service would send."""

import json

import pytest
from sandbox_executor.api import Api, Call
from sandbox_executor.errors import ProtocolError
from sandbox_executor.events import Event, MissingEvent, Sequence
from sandbox_executor.http1 import Request, ResponseReader, parse_origin
from sandbox_executor.sse import Message, Parser
from sandbox_executor import SandboxException


def cuts(data):
    """The data whole, byte by byte, and in two parts at every point."""
    yield [data]
    yield [data[i:i + 1] for i in range(len(data))]
    for i in range(1, len(data)):
        yield [data[:i], data[i:]]


EVENTS = ("\ufeffid: a-1\r\nevent: stdout\r\ndata: {\"x\": \"é😀\"}\r\n\r\n: a comment\n\ndata:one\ndata: two\ndata\nid: a-2\n\n"
          "retry: 1500\nid\nevent: x\n\ndata: last\rid: b\0d\r\rdata: never ends").encode()
EXPECTED = [Message("stdout", '{"x": "é😀"}', "a-1"), Message("message", "one\ntwo\n", "a-2"), Message("message", "last", "")]


def test_a_session_that_the_body_names_is_named_in_a_header_for_proxies():
    def headers(session):
        return Api().request(Call("POST", "/x", json={"sessionId": session})).headers
    assert headers("0012-ab")["X-Session-ID"] == "0012-ab"
    assert all("X-Session-ID" not in headers(session) for session in ("a\r\nb: c", "é", "", None, 5))


def test_events_are_the_same_however_they_are_cut():
    for parts in cuts(EVENTS):
        parser = Parser()
        assert [m for part in parts for m in parser.feed(part)] == EXPECTED, parts
        assert parser.retry == 1.5


def test_bytes_that_are_no_text_and_an_event_without_end():
    assert Parser().feed(b"data: \xff\xe2\x82\n\n")[0].data == "\ufffd\ufffd"
    parser = Parser(max_chars=1000)
    with pytest.raises(ProtocolError):
        for _ in range(100):
            parser.feed(b"data: " + b"x" * 50)
    parser = Parser(max_chars=1000)
    with pytest.raises(ProtocolError):
        for _ in range(100):
            parser.feed(b"data: " + b"x" * 50 + b"\n")


ANSWERS = {
    "a length": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello", True),
    "chunks": (b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n0002\r\nlo\r\n0\r\nTrailer: x\r\n\r\n", b"hello", True),
    "an interim answer": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", b"ok", False),
    "nothing": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    "a length of none": (b"HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", b"", True),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_the_same_however_it_is_cut(name):
    data, body, keep_alive = ANSWERS[name]
    for parts in cuts(data):
        reader, got = ResponseReader(), b""
        for i, part in enumerate(parts):
            assert not reader.complete, (parts, i)
            reader.feed(part)
            got += reader.take()
        assert reader.complete and got == body and reader.keep_alive == keep_alive and 200 <= reader.head.status < 300


def test_an_answer_that_ends_with_its_connection():
    reader = ResponseReader()
    reader.feed(b"HTTP/1.0 200 OK\r\n\r\nbody")
    assert reader.take() == b"body" and not reader.complete
    assert reader.eof() and reader.complete and not reader.keep_alive


@pytest.mark.parametrize("data", [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", b"HTTP/1.1 200", b""])
def test_an_answer_that_was_cut_is_not_whole(data):
    reader = ResponseReader()
    reader.feed(data)
    assert not reader.eof() and not reader.complete


@pytest.mark.parametrize("data", [
    b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1_0\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", b"x" * 70000,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 70000])
def test_what_is_no_answer_is_refused(data):
    with pytest.raises(ProtocolError):
        ResponseReader().feed(data)


def test_a_request_can_t_be_split_by_what_it_is_given():
    origin = parse_origin("http://localhost:1")
    with pytest.raises(SandboxException):
        Request("GET", "/a b\r\nX: y").encode(origin)
    with pytest.raises(SandboxException):
        Request("GET", "/", {"A": "b\nc"}).encode(origin)


@pytest.mark.parametrize("url", ["", "localhost:3003", "ftp://x", "http://", "http://x:port", "http://x?y=z"])
def test_a_wrong_url(url):
    with pytest.raises(SandboxException):
        parse_origin(url)


def test_urls():
    assert parse_origin("https://[::1]:8443/a/").authority == "[::1]:8443" and parse_origin("https://[::1]:8443/a/").prefix == "/a"
    assert parse_origin("http://Example.org").authority == "example.org"


def message(number, kind="stdout", data="x", epoch="ab"):
    return Message(kind, json.dumps({"type": kind, "data": data, "timestamp": "t", "executionId": "e", "sessionId": "s"}), f"{epoch}-{number}")


def test_a_sequence_takes_each_event_once_and_misses_none():
    sequence = Sequence()
    assert [sequence.take(message(n)) is not None for n in (1, 2, 2, 1, 3)] == [True, True, False, False, True]
    assert sequence.last_id == "ab-3" and sequence.execution_id == "e"
    with pytest.raises(MissingEvent):
        sequence.take(message(5))
    with pytest.raises(ProtocolError):
        sequence.take(message(4, epoch="cd"))
    assert sequence.take(message(9, "gap", {"after": 3, "next": 10})).type == "gap" and sequence.take(message(10)).data == "x"


def part(number, index, count, chunk, kind="plot"):
    return message(number, "part", {"type": kind, "part": index, "parts": count, "chunk": chunk})


def test_parts_become_one_value():
    sequence = Sequence()
    taken = [sequence.take(part(1, 0, 3, '{"id"')), sequence.take(part(2, 1, 3, ': "é')), sequence.take(part(3, 2, 3, '"}'))]
    assert taken[:2] == [None, None] and taken[2] == Event("plot", {"id": "é"}, "t", "e", "s", "ab-3")


@pytest.mark.parametrize("messages", [
    [part(1, 1, 2, "x")], [part(1, 0, 2, "x"), message(2)], [part(1, 0, 2, "x"), part(2, 1, 2, "y", "result")], [part(1, 0, 1, "not json")],
    [part(1, 2, 2, "x")], [part(1, 0, 2, 5)], [Message("x", "no json", "ab-1")], [Message("x", "[]", "ab-1")], [Message("x", '{"type": 1}', "ab-1")]])
def test_broken_events_are_refused(messages):
    sequence = Sequence()
    with pytest.raises(ProtocolError):
        for each in messages:
            sequence.take(each)


def test_the_rest_of_a_value_whose_beginning_was_lost_is_passed_over():
    sequence = Sequence("ab-4")
    assert sequence.take(part(5, 3, 5, "x")) is None and sequence.take(part(6, 4, 5, "x")) is None
    assert sequence.take(message(7)).data == "x"
