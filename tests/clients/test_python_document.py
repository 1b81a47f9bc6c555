"""The samples of secure-python-sandbox's document and of the client's README, taken from the documents and run as printed."""

import io
import re
import socket
from contextlib import redirect_stdout

import pytest
import sandbox_executor
from harness import ROOT
from harness.seeds import blocks, document

PLACES = {"localhost", "your-api-server.com", "api.example.com"}  # the servers that the samples name


@pytest.fixture(scope="module")
def any_name(workplace):
    """A server that may be called by any name."""
    from harness import Server
    with Server(workplace / "any-name", env={"SANDBOX_ALLOWED_HOSTS": "*"}) as server:
        yield server


@pytest.fixture
def rerouted(any_name, monkeypatch):
    """The samples' servers are ours."""
    connect = socket.create_connection
    monkeypatch.setattr(socket, "create_connection", lambda address, *rest, **more: connect(("127.0.0.1", any_name.port) if address[0] in PLACES else address, *rest, **more))
    return any_name


@pytest.fixture
def default_server(request, rerouted, monkeypatch):
    """In remote mode a client that is given no server has ours all the same."""
    if request.param == "remote":
        plain = sandbox_executor.SandboxClient.__init__

        def init(self, server_url=None, *rest, **more):
            plain(self, server_url or "http://localhost:8000", *rest, **more)
        monkeypatch.setattr(sandbox_executor.SandboxClient, "__init__", init)


def run(code, namespace):
    with redirect_stdout(io.StringIO()) as out:
        exec(compile(code, "sample", "exec"), namespace)
    return out.getvalue()


@pytest.mark.parametrize("default_server", ["local", "remote"], indirect=True)
def test_every_sample_of_secure_python_sandbox(default_server, tmp_path, monkeypatch):
    text = document("secure-python-sandbox.md")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(re.search(r"Create a `\.env` file:\n```bash\n(.*?)```", text, re.DOTALL).group(1))
    namespace, printed = {}, []
    samples = blocks(text, "python")
    assert len(samples) == 8
    for block in samples:
        printed.append(run(block, namespace))
        expected = re.findall(r"^(?:print\(.*\)|.*\n)?\s*#? ?# Output: (.*)$", block, re.MULTILINE)
        for line in expected:
            assert line.strip() in printed[-1], (block, printed[-1])
    assert "Total: 600" in printed[5] and "Sum: 600" in printed[5]
    assert "Execution failed with code 1" in printed[7] and "ZeroDivisionError" in printed[7]
    assert namespace["client"].config.timeout == 30


@pytest.mark.parametrize("default_server", ["local", "remote"], indirect=True)
def test_own_samples_in_the_names_of_secure_python_sandbox(default_server):
    from sandbox_executor import ClientConfig, ExecutionMode, SandboxClient, SandboxException
    client = SandboxClient(timeout=30, allow_network=False, mode=ExecutionMode.SECURE, max_memory_mb=128, api_timeout=60, api_key=None)
    result = client.execute("import csv\nrows = list(csv.DictReader(open('d.csv')))\nopen('r.txt', 'w').write(str(len(rows)))", input_files={"d.csv": b"a\n1\n2\n"})
    assert result.success and result.return_code == 0 and result.get_file_content("r.txt").decode() == "2"
    failed = SandboxClient.from_config(ClientConfig(server_url=client.config.server_url, timeout=5)).execute("print(1/0)")
    assert not failed.success and "ZeroDivisionError" in failed.stderr
    with pytest.raises(SandboxException):
        SandboxClient.from_config(ClientConfig(server_url="http://127.0.0.1:9")).execute("1")


def test_every_sample_of_the_readme(rerouted):
    text = (ROOT / "clients/python/README.md").read_text()
    namespace, count = {}, 0
    for block in blocks(text, "python"):
        printed = run(block, namespace)
        for line in re.findall(r"# (\S.*)$", block, re.MULTILINE):
            if not line.startswith(("local:", "remote:", "in the background", "b'")):
                count += 1
                assert line in " ".join(printed.split("\n")), (line, printed)
    assert count >= 6
