"""Under a service manager that speaks systemd's protocol: this test plays it, with sockets it has opened and a watchdog it waits for."""

import os
import signal
import socket
import threading

import pytest

from harness import BUILD, until, write_policies

READY, WATCHDOG = "READY=1", "WATCHDOG=1"


class Manager:
    """Hears what a service tells; a listening socket stays open here whatever becomes of the service."""

    def __init__(self, directory):
        self.path = str(directory / "notify")
        self.datagrams = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.datagrams.bind(self.path)
        os.chmod(self.path, 0o777)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.messages = []
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self):
        while text := self.datagrams.recv(4096).decode():
            self.messages.append(text.split("\n"))

    def count(self, line):
        return sum(line in message for message in self.messages)

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
            own.sendto(b"", self.path)
        self.listener.close()

    def service(self, make_server, watchdog_ms=0, **options):
        """As a manager executes it: the socket on descriptor 3, our words for it in the environment."""
        fd = self.listener.fileno()
        script = f'exec 3<&{fd} {fd}<&-; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$0" "$@"'
        env = {"NOTIFY_SOCKET": self.path, **({"WATCHDOG_USEC": str(watchdog_ms * 1000)} if watchdog_ms else {}), **options.pop("env", {})}
        return make_server(executable="/bin/bash", args=["-c", script, str(BUILD / "penny-sandbox")], env=env, pass_fds=(fd,), **options)

    def start(self, make_server, **options):
        ready, service = self.count(READY), self.service(make_server, **options)
        service.launch(self.port)
        until(lambda: self.count(READY) > ready or service.process.poll() is not None, "it says that it is ready", 60)
        assert service.process.poll() is None, service.log()
        return service


@pytest.fixture
def manager(workplace, request):
    directory = workplace / f"manager-{request.node.name[:40]}"
    directory.mkdir()
    manager = Manager(directory)
    yield manager
    manager.close()


def test_socket_and_watchdog(manager, make_server):
    server = manager.start(make_server, watchdog_ms=2500)
    session = server.client.session()
    server.client.stdout("x = 42", session)
    assert any(server.url in line for message in list(manager.messages) for line in message)
    environment = open(f"/proc/{server.server_pid()}/environ").read()
    assert not any(name in environment for name in ("NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "WATCHDOG_USEC"))
    seen, stuck = manager.count(WATCHDOG), until(server.server_pid, "a server process runs")
    os.kill(stuck, signal.SIGSTOP)
    until(lambda: server.server_pid() not in (None, stuck), "one that does not answer is replaced", 60)
    until(lambda: _answers(server), "the next one is given the socket, too")
    until(lambda: manager.count(WATCHDOG) >= seen + 2, "the supervisor has answered all the time")
    assert server.client.stdout("print(x)", session) == "42\n" and "has not answered" in server.log()
    server.stop()
    until(lambda: manager.count("STOPPING=1") == 1, "that it ends was told")


def test_who_comes_between_two_services_waits(manager, make_server):
    waiting = socket.create_connection(("127.0.0.1", manager.port), timeout=60)
    waiting.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    server = manager.start(make_server)
    with waiting, waiting.makefile("rb") as answer:
        assert b" 200 " in answer.readline()
    server.stop()


def _answers(server):
    try:
        return server.client.get("/ready").status == 200
    except OSError:
        return False


def test_who_may_reach_a_socket_of_the_manager_is_asked_too(manager, make_server):
    manager.listener.close()
    manager.listener = socket.create_server(("0.0.0.0", manager.port))
    server = manager.service(make_server)
    server.launch(manager.port)
    assert server.wait() == 1 and "there are no API keys" in server.log()


def test_a_reload_reads_the_policies_again(manager, make_server, tmp_path_factory):
    directory = tmp_path_factory.mktemp("policies")
    directory.chmod(0o755)
    directory.parent.chmod(0o755)
    policies = write_policies(directory, resources={"process": {"maxProcesses": 20}})
    server = manager.start(make_server, env={"SANDBOX_POLICY_DIR": policies})
    client, old = server.client, server.client.session()
    client.stdout("x = 'kept'", old)
    resources = os.path.join(policies, "resources.json")

    def reload(text):
        ready = manager.count(READY)
        with open(resources, "w") as file:
            file.write(text)
        server.signal(signal.SIGHUP)
        until(lambda: manager.count(READY) > ready, "the reload is over", 60)

    good = open(resources).read()
    before = until(server.server_pid, "a server process runs")
    reload(good)
    assert server.server_pid() == before, "nothing has changed, and nothing is replaced"
    reload("{ not JSON")
    assert "the former policies stay" in server.log() and server.server_pid() == before
    reload(good.replace('"maxMemoryPerSession": 536870912', '"maxMemoryPerSession": 268435456').replace('"maxMemoryPerExecution": 536870912', '"maxMemoryPerExecution": 268435456'))
    assert client.stdout("print(x)", old) == "kept\n"
    fresh = client.expect(201, "POST", "/api/v1/sessions", {})
    assert fresh["limits"]["memory"] == 268435456, fresh["limits"]
    assert client.execute("b = bytearray(400 << 20)", fresh["id"])["status"] == "memory"
    assert manager.count("STATUS=Reading files again") == 3
    server.stop()
