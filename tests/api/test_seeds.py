"""The examples of the four documents that concern plain execution, taken from the documents and run as printed."""

import json
import re
import shlex

import pytest

from harness.seeds import blocks, document


def curl_bodies(text):
    """The JSON after -d of each curl command that posts one, as a shell would pass it."""
    found = []
    for block in blocks(text, "bash"):
        if block.lstrip().startswith("curl"):
            words = shlex.split(block.replace("\\\n", " "))
            if "-d" in words:
                found.append(json.loads(words[words.index("-d") + 1]))
    return found


def code_strings(text):
    """Python examples: the value of each `code = ...` literal in them."""
    found = []
    for block in blocks(text, "python"):
        match = re.search(r'^code = (""".*?"""|".*?")(?: *#.*)?$', block, re.DOTALL | re.MULTILINE)
        if match:
            namespace = {}
            exec("code = " + match.group(1), namespace)  # the document's own literal, with its own escapes
            found.append((namespace["code"], block))
    return found


def test_penny_s_http_examples(standard_server):
    client = standard_server.client
    body = next(json.loads(b[b.index("{"):]) for b in blocks(document("penny.md"), "bash") if b.startswith("POST /api/v1/execute\n"))
    assert client.post("/api/v1/execute", body).status == 400, "'optional-session-id' stands for an id, and is none"
    body.pop("sessionId")
    result = client.expect(200, "POST", "/api/v1/execute", body)
    assert result["success"] and result["output"]["stdout"] == "[1 2 3]\n"
    with client.stream(body["code"]) as stream:
        assert stream.result()["success"] and stream.text() == "[1 2 3]\n"


def test_penny_s_session_examples(standard_server):
    client = standard_server.client
    lines = [l for b in blocks(document("penny.md"), "bash") for l in b.splitlines() if re.match(r"(POST|GET|DELETE) /api/v1/sessions(/\{sessionId\})?$", l)]
    assert [l.split()[0] for l in lines] == ["POST", "GET", "DELETE"]
    session = None
    for line in lines:
        method, path = line.split()
        answer = client.request(method, path.format(sessionId=session))
        assert answer.status == (201 if method == "POST" else 200), (line, answer)
        session = session or answer.json["id"]


def test_penny_s_client_examples(standard_server):
    codes = re.findall(r"code: '(.*?)'", "".join(blocks(document("penny.md"), "typescript")))
    assert codes == ['print("Hello, World!")', "for i in range(10): print(i)"]
    client = standard_server.client
    assert client.stdout(codes[0], timeout=30000) == "Hello, World!\n"
    with client.stream(codes[1]) as stream:
        stream.result()
        assert stream.text() == "".join(f"{n}\n" for n in range(10))


def test_penny_s_policy_files(make_server, tmp_path):
    found = {}
    for name, text in re.findall(r"\(`src/policies/(\w+)\.json`\)\n\n```json\n(.*?)```", document("penny.md"), re.DOTALL):
        found[name] = tmp_path / f"{name}.json"
        found[name].write_text(text)
        found[name].chmod(0o644)
    assert set(found) == {"imports", "resources", "filesystem"}
    server = make_server(env={f"{name.upper()}_POLICY_FILE": str(path) for name, path in found.items()} | {"SANDBOX_PROFILE": "standard"}).start()
    assert server.client.stdout("import numpy as np\nprint(np.array([1, 2, 3]))") == "[1 2 3]\n"


def test_penny_s_environment(make_server):
    settings = dict(re.findall(r"^([A-Z_]+)=(\S+)", next(b for b in blocks(document("penny.md"), "bash") if "SANDBOX_PORT=" in b), re.MULTILINE))
    assert settings.pop("SANDBOX_PORT") == "3003"
    server = make_server(env={**settings, "SANDBOX_PROFILE": "standard"}).start()
    assert server.client.stdout("print(1)") == "1\n"


@pytest.mark.parametrize("name", ["flask.md", "aevatar.md", "secure-python-sandbox.md"])
def test_curl_bodies(standard_server, name):
    bodies = curl_bodies(document(name))
    assert bodies
    for body in bodies:
        body.pop("timeout", None)  # seconds there, ms here; the adapters of those paths translate it
        result = standard_server.client.expect(200, "POST", "/api/v1/execute", body)
        assert result["success"], result
        if "Hello" in body["code"]:
            assert result["output"]["stdout"] == "Hello, World!\n"


def test_flask_s_data_analysis_prints_what_the_document_shows(standard_server):
    text = document("flask.md")
    body = next(b for b in curl_bodies(text) if "pandas" in b["code"])
    expected = re.search(r"Expected output:\n```\n(.*?)```", text, re.DOTALL).group(1)
    got = standard_server.client.stdout(body["code"])

    # The numbers are random in the document too, and newer pandas describes the dates as well: the words are all there.
    words = {w for w in re.findall(r"[A-Za-z]+|\d+%", expected)} - {"A", "B", "C"}
    assert words <= set(re.findall(r"[A-Za-z]+|\d+%", got)), got
    headings = [line for line in expected.splitlines() if line.endswith(":")]
    assert headings == [line for line in got.splitlines() if line.endswith(":")]


def test_aevatar_s_code(standard_server):
    codes = re.findall(r'Code = @"\n(.*?)"', "".join(blocks(document("aevatar.md"), "csharp")), re.DOTALL)
    assert len(codes) == 1
    assert standard_server.client.stdout(codes[0]) == "2.0\n"


def test_secure_python_sandbox_s_code(server):
    examples = code_strings(document("secure-python-sandbox.md"))
    assert len(examples) == 4
    ran = 0
    for code, block in examples:
        session = server.client.session()
        if "input_files" in block:
            content = eval(re.search(r'"data.csv": (b".*?")', block).group(1))
            server.client.stdout(f"open('data.csv', 'wb').write({content!r})", session)
        result = server.client.execute(code, session)
        if "1/0" in code:
            assert result["success"] is False and result["error"]["type"] == "ZeroDivisionError"
        else:
            printed = re.search(r"print\(result\.stdout\)\s*# (?:Output: )?(.*)", block)
            assert result["success"] and result["output"]["stdout"].strip() == printed.group(1), result
        if "result.txt" in code:
            assert server.client.stdout("print(open('result.txt').read())", session).strip() == "Sum: 600"
        server.client.delete_session(session)
        ran += 1
    assert ran == 4
