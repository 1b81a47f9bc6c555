"""No block of the four documents is left out: each is run by a test that is named here, or says why it is nothing that this service could run."""

import json
import re

import pytest

from harness import ROOT
from harness.seeds import document

BUILDING = "builds and starts that system itself, from its own sources"
PICTURE = "a picture"

# In the order of the document: (how it begins, the test that runs it, or "-" and the reason).
BLOCKS = {
    "flask.md": [
        ("EXECUTION_TIMEOUT=", "test_flask_s_environment"), ("docker build", "-", BUILDING), ("curl -X POST", "test_flask"), ("curl -X POST", "test_flask"),
        ("Daily Sales Summary", "test_flask_s_data_analysis_prints_what_the_document_shows"), ('{\n    "status"', "test_flask"), (".\n├── Dockerfile", "-", PICTURE)],
    "secure-python-sandbox.md": [
        ("# Clone the repository", "-", BUILDING), ("pip install -e .", "-", BUILDING), ("from sandbox_executor", "test_every_sample_of_secure_python_sandbox"),
        ("# Install package with remote", "-", BUILDING), ("from sandbox_executor", "test_every_sample_of_secure_python_sandbox"),
        ("from sandbox_executor", "test_every_sample_of_secure_python_sandbox"), ("from sandbox_executor", "test_every_sample_of_secure_python_sandbox"),
        ("SANDBOX_MODE=secure", "test_secure_python_sandbox_s_environment"), ("client = SandboxClient.from_env()", "test_every_sample_of_secure_python_sandbox"),
        ("from sandbox_executor", "test_every_sample_of_secure_python_sandbox"), ("from sandbox_executor", "test_every_sample_of_secure_python_sandbox"),
        ("from sandbox_executor", "test_every_sample_of_secure_python_sandbox"), ("# Start the server\ndocker-compose", "-", BUILDING), ("# Build image", "-", BUILDING),
        ("# Install with API dependencies", "-", BUILDING), ("curl http", "test_secure_python_sandbox"), ("curl -X POST", "test_secure_python_sandbox"),
        ("\n│   1. AST Validation", "-", PICTURE), ("python examples/basic_usage.py", "-", "files of its own repository, which the document does not show"),
        ("# Install dev dependencies", "-", "its own tests"), ("python_sandbox/\n├──", "-", PICTURE), ("pip install -e .\npython examples", "-", BUILDING),
        ("docker-compose up -d", "-", BUILDING)],
    "aevatar.md": [
        ("dotnet add package", "-", "a package that was never published; clients/dotnet stands for it"), ("var service =", "test_the_document_s_samples"),
        ("var request =", "test_the_document_s_samples"), ("var executionId =", "test_the_document_s_samples"),
        ('{\n  "PythonSandbox"', "-", "settings of a host in C#, none of which its sources look at"), ("docker build", "-", BUILDING),
        ("kubectl apply", "-", "files of its own repository, which the document does not show"), ("dotnet test", "-", "its own tests"),
        ("dotnet run", "-", "a program of its own repository, which is not there either"), ("curl -X POST", "test_aevatar")],
    "penny.md": [
        ("# Install dependencies\nnpm install", "-", BUILDING), ("# Start in development mode", "-", BUILDING), ("# Basic settings", "test_penny_s_environment"),
        ("POST /api/v1/execute\n", "test_penny_s_http_examples"), ("POST /api/v1/execute/stream", "test_penny_s_http_examples"),
        ("# Create session", "test_penny_s_session_examples"), ("POST /api/v1/validate", "test_penny_s_requests"), ("# Install packages", "test_penny_s_requests"),
        ('{\n  "allowed"', "test_penny_s_policy_files"), ('{\n  "memory"', "test_penny_s_policy_files"), ('{\n  "allowedPaths"', "test_penny_s_policy_files"),
        ("┌──", "-", PICTURE), ("import { SandboxClient }", "test_penny_s_typescript"), ("# Unit tests\nnpm test", "-", "its own tests"), ("# Build production image", "-", BUILDING),
        ("apiVersion: apps/v1", "-", "a deployment of its own image; ours are in deploy/kubernetes"), ("GET /health", "test_penny_s_requests"), ("GET /metrics", "test_penny_s_requests")],
}


def blocks(name):
    return [text for _, text in re.findall(r"```(\w*)\n(.*?)```", document(name), re.DOTALL)]


@pytest.mark.parametrize("name", BLOCKS)
def test_no_block_is_left_out(name):
    sources = "".join(p.read_text() for folder in ("api", "clients") for p in (ROOT / "tests" / folder).glob("test_*.py"))
    found = blocks(name)
    assert len(found) == len(BLOCKS[name])
    for text, (start, test, *reason) in zip(found, BLOCKS[name]):
        assert text.lstrip("\n").startswith(start.lstrip("\n")), (text[:80], start)
        assert reason if test == "-" else f"def {test}(" in sources, test


def requests(text):
    """[(method, path, body)] of a block that shows requests, each with its JSON where it has some."""
    found = []
    for match in re.finditer(r"^(GET|POST|PUT|DELETE) (\S+)\n(\{.*?^\})?", text, re.MULTILINE | re.DOTALL):
        found.append((match[1], match[2], json.loads(match[3]) if match[3] else None))
    return found


def test_penny_s_requests(standard_server):
    """Those that no other test runs: the session's variables, validation, packages, health and metrics."""
    client = standard_server.client
    text = blocks("penny.md")
    session = client.session()

    method, path, _ = next(r for r in requests(text[5] + "\n") if r[0] == "PUT")
    answer = client.request(method, path.format(sessionId=session), {"n": 5})
    assert answer.status == 200 and answer.json["updated"] == ["n"] and client.stdout("print(n)", session) == "5\n"

    (method, path, body), = requests(text[6])
    assert client.expect(200, method, path, body)["valid"] is True

    install, listing = requests(text[7])
    assert client.request(install[0], install[1], install[2]).status == 400, "'session-id' stands for an id, and is none"
    done = client.expect(200, install[0], install[1], {**install[2], "sessionId": session})
    assert done["success"] is True and done["failed"] == []
    assert "numpy" in [p["name"] for p in client.expect(200, listing[0], listing[1])["packages"]]

    (method, path, shape), = requests(text[16])
    health = client.expect(200, method, path)
    assert health["status"] == shape["status"] and set(shape["sessions"]) <= set(health["sessions"]) and set(shape["system"]) <= set(health["system"])

    (method, path, _), = requests(text[17])
    metrics = client.request(method, path)
    assert metrics.status == 200 and b"# TYPE " in metrics.body
