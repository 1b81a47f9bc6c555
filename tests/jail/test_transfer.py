"""An archive is written and read in every tier of isolation."""

import json
import tarfile
from io import BytesIO


def test_a_session_is_exported_and_imported(tier_server):
    client = tier_server.client
    session = client.session()
    client.stdout("def f(): return len(x)\nx = [1, 2]\nopen('a.txt', 'w').write('A')", session)
    archive = client.get(f"/api/v1/sessions/{session}/export")
    assert archive.status == 200, archive
    with tarfile.open(fileobj=BytesIO(archive.body)) as tar:
        assert json.load(tar.extractfile("manifest.json"))["omitted"] == []
    made = client.expect(201, "POST", "/api/v1/sessions/import", archive.body, headers={"Content-Type": "application/x-tar"})
    assert made["imported"]["omitted"] == [] and made["imported"]["files"] == 1
    assert client.stdout("import os; print(f(), open('a.txt').read(), sorted(os.listdir('.')))", made["id"]) == "2 A ['a.txt']\n"
