"""GET /metrics: what Prometheus reads, and whether it tells the truth."""

import re
import subprocess

import pytest

from harness import PROMTOOL, until

LINE = re.compile(r'^([a-z_]+)(?:\{(.*)\})? ([0-9.e+-]+|\+Inf|NaN)$')


def read(client):
    """{(name, labels as text): value}; every line must be one that Prometheus takes."""
    answer = client.get("/metrics")
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/plain; version=0.0.4"), answer
    values = {}
    for line in answer.body.decode().splitlines():
        if line.startswith("#"):
            continue
        found = LINE.match(line)
        assert found, line
        key = (found[1], found[2] or "")
        assert key not in values, f"given twice: {line}"
        values[key] = float(found[3])
    return values


def value(client, name, labels=""):
    return read(client)[(name, labels)]


def test_promtool_has_nothing_to_say(client):
    if PROMTOOL is None:
        pytest.skip("promtool (Debian package prometheus) is not here: `deploy/setup.sh prometheus` puts it below build/")
    client.execute("print(1)")
    client.get("/no/such/route")
    text = client.get("/metrics").body
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=text, capture_output=True, timeout=60)
    assert done.returncode == 0 and not done.stdout and not done.stderr, (done.stdout + done.stderr).decode()


def test_each_metric_is_described_once_before_its_values(client):
    described, kinds = set(), {}
    for line in client.get("/metrics").body.decode().splitlines():
        if line.startswith("# HELP "):
            name = line.split()[2]
            assert name not in described
            described.add(name)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name in described
            kinds[name] = kind
        else:
            name = re.split(r"[{ ]", line)[0]
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            assert kinds.get(name) in ("gauge", "counter") or kinds.get(base) == "histogram", line
            assert (kinds.get(name) == "counter") == name.endswith("_total"), line


def test_histograms_only_grow_with_their_bounds(client):
    client.execute("pass")
    series = {}
    for (name, labels), n in read(client).items():
        if name.endswith("_bucket"):
            rest, bound = re.sub(r',?le="[^"]*"', "", labels), re.search(r'le="([^"]*)"', labels)[1]
            series.setdefault((name[:-7], rest), []).append((float(bound.replace("+Inf", "inf")), n))
    assert series
    values = read(client)
    for (name, labels), buckets in series.items():
        counts = [n for _, n in sorted(buckets)]
        assert counts == sorted(counts), (name, labels)
        assert sorted(buckets)[-1][0] == float("inf") and values[(name + "_count", labels)] >= counts[-1]


def test_executions_are_counted_by_what_became_of_them(client, session):
    before = read(client)
    client.execute("print('12345', end='')", session)
    client.execute("1/0", session)
    client.execute("while True: pass", session, timeout=200)
    client.execute("import time\nend = time.process_time() + 0.05\nwhile time.process_time() < end: pass", session)
    after = read(client)

    def grown(name, labels=""):
        return after[(name, labels)] - before[(name, labels)]

    assert grown("penny_executions_total", 'status="ok"') >= 1
    assert grown("penny_executions_total", 'status="error"') >= 1
    assert grown("penny_executions_total", 'status="timeout"') >= 1
    assert grown("penny_policy_denials_total", 'policy="time"') >= 1
    assert grown("penny_execution_output_bytes_total") >= 5
    assert grown("penny_execution_events_total") >= 7  # start and complete of each, and one text
    assert grown("penny_execution_duration_seconds_count") >= 3
    assert grown("penny_execution_duration_seconds_sum") >= 0.2
    assert grown("penny_execution_queue_duration_seconds_count") >= 3
    assert grown("penny_execution_cpu_seconds_total") > 0.04


def test_refused_imports_are_denials_of_the_policy(standard_server):
    client = standard_server.client
    before = value(client, "penny_policy_denials_total", 'policy="imports"')
    assert client.execute("import subprocess")["status"] == "rejected"
    assert value(client, "penny_policy_denials_total", 'policy="imports"') == before + 1


def test_requests_are_counted_by_pattern_never_by_path(client):
    label = 'method="GET",route="/api/v1/sessions/{id}",status_code="404"'
    before = read(client).get(("penny_http_requests_total", label), 0)
    for n in range(5):
        assert client.get(f"/api/v1/sessions/00000000-0000-4000-8000-00000000000{n}").status == 404
    after = read(client)
    assert after[("penny_http_requests_total", label)] == before + 5
    assert after[("penny_http_request_duration_seconds_count", 'method="GET",route="/api/v1/sessions/{id}"')] >= 5
    assert not any("00000000-0000" in labels for _, labels in after)


def test_labels_do_not_grow_with_what_clients_send(client):
    def shapes():
        return {key for key in read(client) if key[0] != "penny_http_requests_total"}

    client.get("/warm/up")
    client.request("BREW", "/coffee")
    before = shapes()
    for n in range(50):
        client.get(f"/no/such/{n}", headers={"X-Request-Id": f"id-{n}"})
    client.request("BREW", "/coffee")
    assert shapes() == before


def test_sessions_by_state(client, session):
    execution = client.start("input()", session)
    until(lambda: client.execution(execution)["status"] == "inputRequired", "the program waits for input")
    assert value(client, "penny_sessions", 'state="busy"') >= 1
    assert value(client, "penny_executions_running") >= 1
    client.expect(202, "POST", f"/api/v1/executions/{execution}/input", {"text": "x"})
    until(lambda: client.execution(execution)["status"] == "ok", "the program ends")
    assert value(client, "penny_sessions", 'state="idle"') >= 1


def test_the_service_and_its_processes(server, client):
    values = read(client)
    build = [labels for name, labels in values if name == "penny_build_info"]
    assert len(build) == 1 and client.health()["version"] in build[0]
    for process in ("supervisor", "server", "zygote"):
        assert values[("penny_process_resident_memory_bytes", f'process="{process}"')] > 1 << 20
    assert values[("penny_open_descriptors", "")] > 10
    assert values[("penny_pool_target", "")] > 0
    until(lambda: value(client, "penny_session_spawn_duration_seconds_count") > 0, "the pool has made a session")
    until(lambda: value(client, "penny_loop_lag_seconds_count") > 0, "the loop's lag has been looked at")


def test_isolation_is_what_health_says(client):
    values, isolation = read(client), client.health()["isolation"]
    assert values[("penny_isolation_level", f'level="{isolation["level"]}"')] == 1
    layers = {labels: n for (name, labels), n in values.items() if name == "penny_isolation_layer_active"}
    assert len(layers) == len(isolation["layers"])
    for name, layer in isolation["layers"].items():
        snake = re.sub(r"[A-Z]", lambda m: "_" + m[0].lower(), name)
        assert layers[f'layer="{snake}"'] == (1 if layer["active"] else 0)
