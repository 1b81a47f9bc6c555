"""The command: options, settings, signals, a port in use; and that it leaves nothing behind."""

import os
import re
import signal
import socket
import subprocess

import pytest

from harness import BUILD, TIERS, ServerFailed, free_port, processes, tier_reason, until


def run(*args, **env):
    return subprocess.run([str(BUILD / "penny-sandbox"), *args], capture_output=True, text=True, timeout=30, env={"PATH": "/usr/bin:/bin", **env})


def test_help_lists_every_setting():
    done = run("--help")
    assert done.returncode == 0 and done.stderr == ""
    for name in ("SANDBOX_HOST", "SANDBOX_PORT", "SANDBOX_LISTEN", "SANDBOX_POLICY_DIR", "SANDBOX_STATE_DIR", "SANDBOX_POOL_SIZE", "SANDBOX_PROFILE", "SANDBOX_USER",
                 "SANDBOX_USER_NAMESPACES", "LOG_LEVEL", "MAX_MEMORY_PER_SESSION", "MAX_EXECUTION_TIME", "MAX_CONCURRENT_SESSIONS", "MAX_CONCURRENT_EXECUTIONS",
                 "SESSION_TIMEOUT", "CLEANUP_INTERVAL", "RATE_LIMIT_MAX", "RATE_LIMIT_WINDOW", "--require-isolation"):
        assert name in done.stdout, name
    assert max(map(len, done.stdout.splitlines())) <= 160


def test_version():
    done = run("--version")
    assert done.returncode == 0 and done.stdout.strip()


@pytest.mark.parametrize("args,env,word", [
    (["--no-such-option"], {}, "no-such-option"), (["extra"], {}, "extra"), ([], {"SANDBOX_PORT": "many"}, "SANDBOX_PORT"), ([], {"SANDBOX_PORT": "70000"}, "SANDBOX_PORT"),
    ([], {"SANDBOX_POOL_SIZE": "-1"}, "SANDBOX_POOL_SIZE"), ([], {"SANDBOX_PROFILE": "odd"}, "SANDBOX_PROFILE"), ([], {"SANDBOX_HOST": "999.1.1.1"}, "999.1.1.1"),
    ([], {"LOG_LEVEL": "loud"}, "LOG_LEVEL"), (["--require-isolation=most"], {}, "require-isolation"),
])
def test_a_wrong_setting_is_refused_by_name(args, env, word):
    done = run(*args, **env)
    assert done.returncode not in (0, None) and word in done.stderr, done


def test_the_command_line_wins_over_the_environment(make_server):
    port = free_port()
    server = make_server(env={"MAX_EXECUTION_TIME": "60000"}, args=["--max-execution-time=300"])
    server.launch(port)
    until(server.answers, "it answers")
    result = server.client.execute("import time\ntime.sleep(1000)")
    assert result["status"] == "timeout"


def test_trailing_comments_in_values_are_no_part_of_them(make_server):
    server = make_server(env={"MAX_EXECUTION_TIME": "300  # ms, as in .env files"}).start()
    assert server.client.execute("import time\ntime.sleep(1000)")["status"] == "timeout"


def test_it_prints_its_address_and_a_curl_line_that_works(make_server):
    server = make_server().start()
    line = until(lambda: next((l for l in server.log().splitlines() if "curl" in l), None), "a curl line is printed")
    assert f":{server.port}" in server.log()
    done = subprocess.run(["sh", "-c", line[line.index("curl"):]], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "stdout" in done.stdout, (line, done)


def test_a_port_in_use_is_said(make_server):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = make_server(env={"SANDBOX_PORT": str(port)}).launch()
        assert server.wait() != 0
        assert str(port) in server.log() and "in use" in server.log().lower(), server.log()
        server.assert_nothing_left()


def test_several_addresses(make_server):
    one, two, three = free_port(), free_port(), free_port()
    server = make_server(env={"SANDBOX_LISTEN": f"127.0.0.1:{one},127.0.0.2:{two}" + (f",[::1]:{three}" if socket.has_dualstack_ipv6() else "")})
    server.launch(one)
    until(server.answers, "it answers")
    server.client.host, server.client.port = "127.0.0.2", two
    assert server.client.expect(200, "POST", "/execute", {"code": "print(1)"})["stdout"] == "1"
    if socket.has_dualstack_ipv6():
        server.client.host, server.client.port = "::1", three
        assert server.client.expect(200, "POST", "/api/execute", {"code": "print(1)"})["output"] == "1\n"


@pytest.mark.parametrize("reachable", ["0.0.0.0", "[::]"])
def test_each_of_several_addresses_needs_keys_or_loopback(make_server, reachable):
    one, two = free_port(), free_port()
    server = make_server(env={"SANDBOX_LISTEN": f"127.0.0.1:{one},{reachable}:{two}"}).launch(one)
    assert server.wait() != 0 and "there are no API keys" in server.log()
    server.assert_nothing_left()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
@pytest.mark.parametrize("tier", TIERS)
def test_signals_end_it_cleanly_in_each_tier(make_server, tier, number):
    if tier_reason(tier):
        pytest.skip(f"tier {tier}: {tier_reason(tier)}")
    server = make_server(tier=tier).start()
    client = server.client
    for _ in range(3):
        client.stdout("open('f', 'w').write('x'); import subprocess; subprocess.Popen(['sleep', '5151']); print(1)", client.session())
    server.signal(number)
    assert server.wait() == 0
    server.assert_nothing_left()
    server.assert_no_files_left()
    with pytest.raises(OSError):
        client.get("/health")


def test_a_state_directory_of_its_own_is_removed(make_server):
    server = make_server(env={"SANDBOX_STATE_DIR": None, "TMPDIR": "/tmp"}).start()
    server.client.stdout("print(1)")  # whose session's log is a file there
    files = f"/proc/{server.server_pid()}/fd"
    places = {found[0] for fd in os.listdir(files) if (found := re.match(r"/(?:run|tmp)/penny-sandbox-\w{6}(?=/)", os.readlink(f"{files}/{fd}")))}
    assert len(places) == 1 and all(map(os.path.isdir, places)), places
    server.stop()
    assert not any(map(os.path.exists, places))


def test_sigterm_lets_a_running_execution_end(make_server):
    server = make_server(env={"SANDBOX_DRAIN": "20000"}).start()
    with server.client.stream("print('up')\nimport time\ntime.sleep(1)\nprint('done')", server.client.session()) as stream:
        stream.next("stdout", "up")
        server.signal(signal.SIGTERM)
        assert stream.result()["status"] == "ok"
        assert stream.text() == "up\ndone\n"
    assert server.wait() == 0
    server.assert_nothing_left()
    server.assert_no_files_left()


def stream_without_end(server):
    stream = server.client.stream("print('up')\nwhile True: pass", server.client.session(), timeout=300000)
    stream.next("stdout", "up")
    return stream


def test_new_connections_are_refused_while_it_drains(make_server):
    server = make_server(env={"SANDBOX_DRAIN": "600000"}).start()
    stream = stream_without_end(server)
    server.signal(signal.SIGTERM)
    until(lambda: not can_connect(server.port), "connections are refused, not left to wait")
    server.signal(signal.SIGTERM)
    assert stream.rest()[-1].type in ("complete", "error")
    stream.close()
    assert server.wait() == 0


def test_sigterm_does_not_wait_longer_than_the_drain(make_server):
    server = make_server(env={"SANDBOX_DRAIN": "100"}).start()
    stream = stream_without_end(server)
    server.signal(signal.SIGTERM)
    events = stream.rest()
    assert events[-1].type in ("complete", "error"), [e.type for e in events]
    stream.close()
    assert server.wait() == 0
    server.assert_nothing_left()


def test_a_second_signal_ends_it_at_once(make_server):
    server = make_server(env={"SANDBOX_DRAIN": "600000"}).start()
    stream = stream_without_end(server)
    server.signal(signal.SIGINT)
    until(lambda: not can_connect(server.port), "it drains")
    server.signal(signal.SIGINT)
    assert server.wait() == 0
    server.assert_nothing_left()


def can_connect(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def test_require_isolation_refuses_to_start_weaker(make_server):
    reason = tier_reason("process")
    if reason:
        pytest.skip(reason)
    with pytest.raises(ServerFailed) as failed:
        make_server(tier="process", args=["--require-isolation=namespace"]).start()
    assert failed.value.code != 0 and "isolation" in failed.value.log.lower()
    make_server(tier="process", args=["--require-isolation=process"]).start().stop()


def test_user_namespaces_can_be_switched_off(make_server):
    if tier_reason("user"):
        pytest.skip(tier_reason("user"))
    server = make_server(tier="user", env={"SANDBOX_USER_NAMESPACES": "off"}).start()
    assert server.client.stdout("print(1)") == "1\n"
    with pytest.raises(ServerFailed):
        make_server(tier="user", env={"SANDBOX_USER_NAMESPACES": "off"}, args=["--require-isolation=namespace"]).start()


def test_a_pool_of_none_still_serves(make_server):
    server = make_server(env={"SANDBOX_POOL_SIZE": "0"}).start()
    for n in range(5):
        assert server.client.stdout(f"print({n})") == f"{n}\n"


def test_rate_limit(make_server):
    server = make_server(env={"RATE_LIMIT_MAX": "5", "RATE_LIMIT_WINDOW": "60000"})
    server.launch()
    until(server.answers, "it answers")
    answers = [server.client.get("/api/v1/sessions") for _ in range(8)]
    limited = [a for a in answers if a.status == 429]
    assert limited and int(limited[0].headers["retry-after"]) > 0 and limited[0].json["message"]


def test_the_processes_have_their_roles(server):
    zygote, worker = server.zygote_pid(), server.server_pid()
    assert zygote and worker, [(p, processes.command(p)) for p in processes.children(server.pid)]
    maps = open(f"/proc/{worker}/maps").read()
    assert "libpython" not in maps and "libevhtp" in maps
    assert "libevhtp" not in open(f"/proc/{zygote}/maps").read()
    assert len(os.listdir(f"/proc/{zygote}/task")) == 1
    if server.tier == "root":
        status = open(f"/proc/{worker}/status").read()
        assert "\nUid:\t0" not in status, "the server process is not root"
        assert "CapEff:\t0000000000000000" in status


def test_a_state_directory_can_be_used_again_whatever_the_isolation_was(make_server):
    """Without mount namespaces sessions of other users pass through it, so that its mode is another one afterwards."""
    server = make_server(env={"SANDBOX_USER_NAMESPACES": "off", "SANDBOX_POOL_SIZE": "1"}, for_others=True).start()
    assert server.client.stdout("print(1)") == "1\n"
    server.stop()
    server.env = {**server.env, "SANDBOX_USER_NAMESPACES": "on"}
    server.start()
    assert server.client.stdout("print(2)") == "2\n"
    server.stop()
