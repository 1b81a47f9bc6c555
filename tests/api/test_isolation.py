"""Sessions do not see, hear or reach each other or the host. (Each layer of the jail has its own proofs in tests/jail.)"""

import stat

import pytest


@pytest.fixture
def two(tier_server):
    client = tier_server.client
    ids = [client.session(), client.session()]
    yield client, *ids
    for id in ids:
        client.delete_session(id)


def test_a_tier_runs_python(two):
    client, one, _ = two
    assert client.stdout("import numpy as np, pandas as pd\nprint(np.arange(3).sum())", one) == "3\n"
    assert client.execute("import matplotlib.pyplot as plt\nplt.plot([1])", one)["output"]["plots"]


def test_a_tier_says_what_it_has(tier_server):
    isolation = tier_server.client.health()["isolation"]
    assert isolation
    text = str(isolation).lower()
    for layer in ("seccomp", "rlimit"):
        assert layer in text


def test_random_state_differs(two):
    client, one, two_ = two
    code = "import random, uuid, os, secrets\nimport numpy as np\nprint(random.random(), np.random.rand(), uuid.uuid4(), uuid.uuid1(), os.urandom(8), secrets.token_hex(8), sep='|')"
    first, second = (client.stdout(code, s).strip().split("|") for s in (one, two_))
    assert not set(first) & set(second), (first, second)


def test_files_are_not_shared(two):
    client, one, two_ = two
    place = "import os, tempfile\nplaces = [os.path.join(tempfile.gettempdir(), 'mark-one'), 'mark-one', os.path.expanduser('~/mark-two')]\n"
    client.stdout(place + "for p in places: open(p, 'w').write('secret')", one)
    assert client.stdout(place + "print([os.path.exists(p) for p in places])", two_) == "[False, False, False]\n"


def test_processes_are_not_seen_or_signalled(two):
    client, one, two_ = two
    execution = client.start("import subprocess, time\nprint('up', flush=True)\nsubprocess.run(['sleep', '4242'])", one)
    with client.events(execution) as events:
        events.next("stdout", "up")
        code = """
import os
seen, hit = [], []
for pid in range(1, 70000):
    try:
        if b'4242' in open(f'/proc/{pid}/cmdline', 'rb').read(): seen.append(pid)
    except OSError: pass
for pid in range(2, 70000):
    if pid == os.getpid() or pid == os.getppid(): continue
    try:
        os.kill(pid, 0); hit.append(pid)
    except OSError: pass
print(seen, hit)
"""
        assert client.stdout(code, two_, timeout=60000) == "[] []\n"
        client.expect(202, "DELETE", f"/api/v1/executions/{execution}")
        assert events.result()["status"] == "interrupted"


def test_the_environment_and_descriptors_hold_nothing_of_the_host(tier_server, two):
    client, one, _ = two
    code = """
import os, stat
print(dict(os.environ))
found = []
for fd in range(4096):
    try: found.append((fd, stat.S_IFMT(os.fstat(fd).st_mode)))
    except OSError: pass
print(found)
"""
    environment, descriptors = map(eval, client.stdout(code, one).splitlines())
    assert not [k for k in environment if k.startswith(("SANDBOX", "PYTEST", "PENNY", "SUDO", "SSH", "ASAN"))], environment
    assert str(tier_server.port) not in str(environment)
    pipe = stat.S_IFIFO  # 5 is the channel on which copies of this interpreter are given pipes of their own
    assert dict(descriptors) == {0: stat.S_IFCHR, 1: pipe, 2: pipe, 3: pipe, 4: pipe, 5: stat.S_IFSOCK}, descriptors


def test_the_service_is_not_reachable_from_inside(tier_server, two):
    client, one, _ = two
    result = client.execute(f"import socket\ns = socket.create_connection(('127.0.0.1', {tier_server.port}), 2)", one)
    assert result["success"] is False and result["error"]["type"] in ("OSError", "PermissionError", "ConnectionRefusedError", "TimeoutError"), result
