"""Processes of the service that are killed: what goes on, and that nothing stays behind."""

import os
import signal

import pytest

from harness import TIERS, processes, tier_reason, until, until_interrupted


@pytest.mark.parametrize("tier", TIERS)
def test_the_zygote_may_die(make_server, tier):
    if tier_reason(tier):
        pytest.skip(f"tier {tier}: {tier_reason(tier)}")
    server = make_server(tier=tier).start()
    client = server.client
    living = client.session()
    client.stdout("x = 'living'", living)
    execution = client.start(until_interrupted("print('up')") + "print('went on')", client.session())
    with client.events(execution) as events:
        events.next("stdout", "up")
        for round in range(3):
            old = until(server.zygote_pid, "a zygote runs")
            os.kill(old, signal.SIGKILL)
            assert client.health()["status"] in ("healthy", "degraded")
            assert client.stdout("print(x)", living) == "living\n", "a living session goes on"
            assert client.stdout("print('new')") == "new\n", "a new one can be had"
            until(lambda: server.zygote_pid() not in (None, old), "a new zygote runs")
        client.expect(202, "DELETE", f"/api/v1/executions/{execution}")
        assert events.result()["status"] == "ok"
        assert events.text() == "up\nwent on\n"
    client.delete_session(living)
    until(lambda: client.get(f"/api/v1/sessions/{living}").status in (404, 410), "an adopted session can be deleted")


def test_sessions_can_be_had_while_the_zygote_is_away(make_server):
    server = make_server(env={"SANDBOX_POOL_SIZE": "0"}).start()
    os.kill(until(server.zygote_pid, "a zygote runs"), signal.SIGKILL)
    assert server.client.stdout("print('waited')") == "waited\n"


def test_a_stopped_zygote_stops_nobody_with_a_session(make_server):
    server = make_server().start()
    session = server.client.session()
    zygote = until(server.zygote_pid, "a zygote runs")
    os.kill(zygote, signal.SIGSTOP)
    try:
        assert server.client.stdout("print('goes on')", session) == "goes on\n"
        assert server.client.get("/health").status == 200
    finally:
        os.kill(zygote, signal.SIGCONT)
    assert server.client.stdout("print('new')") == "new\n"


@pytest.mark.parametrize("tier", TIERS)
def test_nothing_is_left_when_the_supervisor_is_killed(make_server, tier):
    if tier_reason(tier):
        pytest.skip(f"tier {tier}: {tier_reason(tier)}")
    server = make_server(tier=tier).start()
    client = server.client
    client.stdout("import subprocess\nsubprocess.Popen(['sleep', '6161'])", client.session())
    client.start("while True: pass", client.session(), timeout=300000)
    os.kill(server.pid, signal.SIGKILL)
    assert server.wait() == -signal.SIGKILL
    server.assert_nothing_left(seconds=30)


def test_what_a_service_leaves_that_was_killed_whole_goes_with_the_next(make_server):
    """Nobody was there to remove its control groups. Those of one that lives stay, also where no session is in them."""
    idle, killed = (make_server(env={"SANDBOX_POOL_SIZE": size}).start() for size in ("0", "2"))
    if not idle.client.health()["isolation"]["layers"]["cgroupMemory"]["active"]:
        pytest.skip("no control group can be made here")
    assert killed.client.stdout("print(1)", killed.client.session()) == "1\n"
    os.kill(until(killed.zygote_pid, "a zygote runs"), signal.SIGSTOP)  # or it would see the supervisor's end first
    killed.kill()
    assert killed.cgroups() and idle.cgroups()
    make_server(env={"SANDBOX_POOL_SIZE": "0"}).start()
    assert not killed.cgroups()
    assert idle.client.stdout("print(2)", idle.client.session()) == "2\n"


def test_the_server_process_may_die(make_server):
    server = make_server(env={"SANDBOX_DRAIN": "500"}).start()
    client = server.client
    client.start("import subprocess\nsubprocess.Popen(['sleep', '7171'])\nwhile True: pass", client.session(), timeout=300000)
    old = until(server.server_pid, "a server process runs")
    os.kill(old, signal.SIGKILL)

    def serves():
        try:
            return server.server_pid() not in (None, old) and client.get("/health").status == 200
        except OSError:
            return False

    until(serves, "the service answers again")
    assert client.stdout("print('again')") == "again\n"
    server.stop()
    server.assert_no_files_left()


def test_both_may_die_at_once(make_server):
    server = make_server().start()
    for pid in (until(server.server_pid, "a server process runs"), until(server.zygote_pid, "a zygote runs")):
        os.kill(pid, signal.SIGKILL)

    def serves():
        try:
            return server.client.stdout("print('again')") == "again\n"
        except (OSError, AssertionError):
            return False

    until(serves, "the service works again")


def test_killed_session_processes_are_replaced(make_server):
    """Each process of a session, killed from outside: one truthful end, and the id goes on."""
    server = make_server(env={"SANDBOX_POOL_SIZE": "1"}).start()
    client, session = server.client, server.client.session()
    client.stdout("import subprocess\nsubprocess.Popen(['sleep', '8181'])", session)
    execution = client.start("print('up', flush=True)\nimport time\ntime.sleep(1000)", session)
    with client.events(execution) as events:
        events.next("stdout", "up")
        marker, zygote = until(lambda: server.process_named("sleep 8181"), "it is found"), until(server.zygote_pid, "a zygote runs")
        os.kill(until(lambda: next((p for p in processes.descendants(server.pid) if p != zygote and marker in processes.descendants(p)), None), "its init is found"), signal.SIGKILL)
        result = events.result()
    assert result["status"] == "killed" and result["state"] == "lost", result
    again = client.post("/api/v1/execute", {"code": "print('fresh')", "sessionId": session})
    assert again.status == 410 or again.json["output"]["stdout"] == "fresh\n", again
