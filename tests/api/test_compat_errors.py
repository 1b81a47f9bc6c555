"""Paths of other systems that nobody has, and methods that their paths have not: errors in that system's own shape."""

import pytest


def flask(body, message):
    return body == {"status": "Error", "output": message, "message": message}


def fastapi(body, message):
    return body == {"detail": {"Route": "Not Found"}.get(message.partition(" ")[0], "Method Not Allowed")}


def problem(body, message):
    return body["detail"] == message and body["type"] == "about:blank" and body["title"] and body["status"] in (404, 405)


def noauth(body, message):
    return body == {"error": message, "message": message}


def e2b(body, message):
    return body == {"code": 404 if message.startswith("Route") else 405, "message": message}


def ours(body, message):
    return body["message"] == message and body["statusCode"] in (404, 405) and body["error"]


@pytest.mark.parametrize("method, path, shape", [
    ("GET", "/api/execute", flask), ("DELETE", "/api/execute", flask), ("POST", "/api/execute/more", flask), ("GET", "/api/execute/python", ours), ("PUT", "/execute", fastapi),
    ("GET", "/execute-with-files", fastapi), ("POST", "/execute/more", fastapi), ("GET", "/api/sandbox", problem), ("GET", "/api/sandbox/execute", problem),
    ("DELETE", "/api/sandbox/status/x", problem), ("POST", "/api/python/run", problem), ("GET", "/api/python/execute", problem), ("GET", "/api/noauth", noauth),
    ("PUT", "/api/test/execute", noauth), ("GET", "/e2b", e2b), ("GET", "/e2b/templates", e2b), ("PUT", "/e2b/sandboxes", e2b), ("PATCH", "/e2b/contexts/x", e2b),
    ("POST", "/e2b/nothing.Service/Method", e2b), ("PUT", "/api/v1/sessions", ours), ("GET", "/api/v1/nothing", ours), ("GET", "/api/executed", ours), ("GET", "/executed", ours)])
def test_the_shape_is_the_system_s(client, method, path, shape):
    answer = client.request(method, path, {} if method in ("POST", "PUT", "PATCH") else None)
    assert answer.status in (404, 405), answer
    if answer.status == 404:
        message = f"Route {method}:{path} not found"
    else:
        message = f"{method} is not possible here; possible: {answer.headers['allow']}"
    assert shape(answer.json, message), answer
