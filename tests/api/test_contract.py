"""The contract against the running server: schemathesis makes requests of every operation from server/openapi.yaml, right and wrong
ones, and holds each answer to it: no 5xx, no status, content type, header or shape that is not written down."""

import itertools

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from harness import ROOT, Server, until

KEY = "a-key-for-the-contract"
AUTHORIZED = {"Authorization": f"Bearer {KEY}"}
CHECKS = (not_a_server_error, checks.status_code_conformance, checks.content_type_conformance, checks.response_headers_conformance,
          checks.response_schema_conformance)
SECONDS = 60

contract = schemathesis.openapi.from_path(ROOT / "server/openapi.yaml")
contract.config.phases.coverage.unexpected_methods = {"get", "put", "post", "patch", "delete"}  # others are 501, which is no fault

# The same requests in every run, and few enough of them.
bounded = settings(max_examples=6, derandomize=True, database=None, deadline=None, phases=[Phase.explicit, Phase.generate],
                   suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def subject(workplace):
    with Server(workplace / "contract", env={"SANDBOX_API_KEYS": f"contract:{KEY}", "SANDBOX_PROFILE": "open", "SANDBOX_DRAIN": "100"}) as server:
        yield server


def held(case, server):
    answer = case.call(base_url=server.url, timeout=SECONDS, headers=AUTHORIZED)
    # E2B's SDKs know by 502, and by nothing else, that a sandbox is not there: it is no fault of the service
    is_word = answer.status_code == 502 and case.path.startswith(("/e2b/", "/files"))
    case.validate_response(answer, checks=CHECKS[1:] if is_word else CHECKS)


@contract.parametrize()
@bounded
def test_whatever_is_sent(case, subject):
    held(case, subject)


class World:
    """What can be asked about: a session with everything that one can have, and executions in each state."""

    CODE = ("import pandas, numpy, matplotlib.pyplot as plt\nframe = pandas.DataFrame({'a': range(300), 'b': 'x'})\nlist_ = [1, None, {'a': 2.5}]\n"
            "array = numpy.zeros((3, 3))\nclass Odd:\n    def __repr__(self): raise SystemExit\nodd = Odd()\ntext = 'a' * 20000\n"
            "open('a.txt', 'w').write('0123456789')\nimport os\nos.makedirs('d/e', exist_ok=True)\nos.path.lexists('l') or os.symlink('/etc', 'l')\n"
            "plt.plot([1, 2]); plt.show()\n")
    NAMES = ("frame", "list_", "array", "odd", "text", "nothing")
    WAIT_FOR_THE_RUN = ("/fork", "/race", "/checkpoints", "/rollback", "/export")  # which, waiting for input, would never end
    PATHS = ("a.txt", "d", "d/e", "l", "l/passwd", "new/file.txt", "nothing")

    def __init__(self, server):
        self.client, self.session = server.client, None
        self.turn = itertools.count()

    def request(self, method, path, body=None):
        answer = self.client.request(method, path, body, headers=AUTHORIZED)
        assert answer.status < 300, (method, path, answer)
        return answer.json

    def settle(self):
        """Everything is as at first, whatever the last request has made of it."""
        answer = self.session and self.client.request("GET", f"/api/v1/sessions/{self.session}/variables/odd", headers=AUTHORIZED)
        if self.session is None or answer.status == 410 or b'"Odd"' not in answer.body:
            done = self.request("POST", "/api/v1/execute", {"code": self.CODE, "sessionId": self.session} if answer and answer.status == 404
                                else {"code": self.CODE})
            assert done["success"], done
            self.session, self.ended = done["sessionId"], done["executionId"]
            self.plot = self.request("GET", f"/api/v1/sessions/{self.session}/plots")["plots"][-1]["id"]

    def waiting(self):
        """An execution that waits for input, in a session of its own."""
        made = self.request("POST", "/api/v1/executions", {"code": "input('?')"})
        until(lambda: self.request("GET", f"/api/v1/executions/{made['executionId']}")["status"] == "inputRequired", "it asks")
        return made

    def parameters(self, path):
        """Path parameters that mean something; the session is another when the operation ends it."""
        turn = next(self.turn)
        values = {"name": self.NAMES[turn % len(self.NAMES)], "path": self.PATHS[turn % len(self.PATHS)], "plotId": self.plot, "checkpointId": "none"}
        if "/execut" in path:
            values["id"] = self.waiting()["executionId"] if turn % 3 else self.ended
        elif turn % 16 == 15 and not path.endswith(self.WAIT_FOR_THE_RUN):
            values["id"] = self.waiting()["sessionId"]
        else:
            values["id"] = self.session
        return values


@pytest.fixture(scope="module")
def world(subject):
    return World(subject)


@contract.include(path_regex=r"\{id\}").exclude(path_regex="/events$").parametrize()
@settings(bounded, max_examples=8)
def test_of_what_is_there(case, subject, world):
    world.settle()
    values = world.parameters(case.operation.path)
    for name in case.path_parameters:
        case.path_parameters[name] = values[name]
    held(case, subject)


@contract.include(path_regex="^/api/v1/execut[^{]*$", method="POST").parametrize()
@bounded
def test_runs_in_a_session_that_is_there(case, subject, world):
    world.settle()
    if isinstance(case.body, dict):
        case.body["sessionId"] = world.session
    held(case, subject)
