"""No network is reached from a session: not the service itself, not the host's loopback, not its sockets of any family."""

import socket
import threading

import pytest


@pytest.fixture
def listeners():
    """Sockets of the host that a session must not reach. Yields (addresses, a list that fills when one is reached)."""
    reached, sockets, addresses, accepting = [], [], [], []
    for family, kind, address in ((socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)), (socket.AF_INET6, socket.SOCK_STREAM, ("::1", 0)),
                                  (socket.AF_UNIX, socket.SOCK_STREAM, "\0penny-abstract"), (socket.AF_UNIX, socket.SOCK_STREAM, "/tmp/penny-listener")):
        s = socket.socket(family, kind)
        try:
            s.bind(address)
        except OSError:
            s.close()
            continue
        s.listen()
        sockets.append(s)
        addresses.append((int(family), s.getsockname()[:2] if family != socket.AF_UNIX else address))

        def accept(s=s, address=address):
            try:
                while True:
                    s.accept()
                    reached.append(address)
            except OSError:
                pass

        accepting.append(threading.Thread(target=accept, daemon=True))
        accepting[-1].start()
    yield addresses, reached
    for s, thread in zip(sockets, accepting):
        s.shutdown(socket.SHUT_RDWR)
        thread.join()
        s.close()
    import os

    if os.path.exists("/tmp/penny-listener"):
        os.unlink("/tmp/penny-listener")


def test_the_hosts_sockets_are_not_reached(inside, listeners):
    addresses, reached = listeners
    code = f"""
import socket
done = []
for family, address in {addresses!r}:
    try:
        s = socket.socket(family, socket.SOCK_STREAM)
        s.settimeout(2)
        s.connect(tuple(address) if isinstance(address, (list, tuple)) else address)
        done.append(address)
    except OSError: pass
print(done)
"""
    assert inside(code) == "[]\n"
    assert reached == []


def test_no_packet_leaves(inside):
    code = """
import socket
done = []
for family, kind, address in ((socket.AF_INET, socket.SOCK_DGRAM, ('127.0.0.1', 53)), (socket.AF_INET, socket.SOCK_DGRAM, ('192.0.2.1', 53)),
                              (socket.AF_INET6, socket.SOCK_DGRAM, ('::1', 53)), (socket.AF_INET, socket.SOCK_RAW, ('127.0.0.1', 0)), (socket.AF_PACKET, socket.SOCK_RAW, ('lo', 0)),
                              (socket.AF_NETLINK, socket.SOCK_RAW, (0, 0)), (40, socket.SOCK_STREAM, (2, 1024))):
    try:
        s = socket.socket(family, kind)
        s.settimeout(1)
        s.sendto(b'x', address)
        done.append((family, kind))
    except (OSError, TypeError): pass
print(done)
"""
    assert inside(code) == "[]\n"


def test_names_are_not_resolved(inside):
    assert inside("import socket\ntry: print(socket.getaddrinfo('example.org', 80))\nexcept OSError: print('no')") == "no\n"


def test_sessions_do_not_reach_each_other(tier_server, layers):
    client = tier_server.client
    one, two = client.session(), client.session()
    code = "import socket\ntry:\n    s = socket.socket(socket.AF_UNIX)\n    s.bind('\\0penny-between'); s.listen(); print('listening')\nexcept OSError: print('refused')"
    client.stdout(code, one)
    assert client.stdout("import socket\ntry:\n    s = socket.socket(socket.AF_UNIX); s.connect('\\0penny-between'); print('joined')\nexcept OSError: print('apart')", two) == "apart\n"
    for session in (one, two):
        client.delete_session(session)


def test_pipes_and_socket_pairs_inside_work(inside):
    assert inside("import asyncio, socket\na, b = socket.socketpair()\na.send(b'x')\nasync def f(): return b.recv(1)\nprint(asyncio.new_event_loop().run_until_complete(f()))") == "b'x'\n"


def test_multiprocessing_works_inside(inside, layers):
    if not layers["readOnlyRoot"]:
        pytest.skip("semaphores need a /dev/shm of the session's own, and so a root of its own")
    assert inside("from multiprocessing import get_context\nctx = get_context('fork')\nq = ctx.Queue()\np = ctx.Process(target=q.put, args=(42,)); p.start()\nprint(q.get(timeout=20)); p.join()") == "42\n"
