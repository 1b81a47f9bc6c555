"""One session, by its id: everything that can be done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Sequence, Type

from . import calls
from .api import Api, Call, segment
from .calls import FileContent, RunOptions
from .effects import Flow
from .result import ExecutionResult
from .stream import ExecutionStream, EventFlow

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Session:
    """Makes no request by itself. In a `with` block: deleted at its end."""

    def __init__(self, api: Api, run: Callable[[Flow[Any]], Any], session_id: str) -> None:
        self.id = session_id
        self._api, self._run, self._calls = api, run, calls.SessionCalls(session_id)

    def _ask(self, call: Call) -> Any:
        return self._run(self._api.json(call))

    def get(self) -> Dict[str, Any]:
        """What the service says of it: status, limits, policy, resourceUsage, ..."""
        return dict(self._ask(self._calls.get()))

    def stats(self) -> Dict[str, Any]:
        return dict(self._ask(self._calls.get("/stats")))

    def update(self, metadata: Optional[Mapping[str, Any]] = None, variables: Optional[Mapping[str, Any]] = None) -> Dict[str, Any]:
        return dict(self._ask(self._calls.update(metadata, variables)))

    def delete(self) -> None:
        """Every process of it ends. Doing it twice is fine."""
        self._ask(self._calls.delete())

    # ---- runs: RunOptions says with what ----

    def execute(self, code: str, **options: "Unpack[RunOptions]") -> ExecutionResult:
        """Runs to the end; stdout and stderr are exactly what was printed. Files that were made are in `artifacts`: read_file() has them."""
        result: ExecutionResult = self._run(calls.execute(self._api, calls.run_body(code, self.id, **options)))
        return result

    def stream(self, code: str, **options: "Unpack[RunOptions]") -> ExecutionStream:
        """Runs; the events come as they happen."""
        return ExecutionStream(EventFlow(self._api, calls.stream(calls.run_body(code, self.id, **options))), self._run)

    def start(self, code: str, **options: "Unpack[RunOptions]") -> str:
        """Runs in the background. Returns the execution's id, for watch() and get_execution()."""
        return str((self._ask(calls.start(calls.run_body(code, self.id, **options))))["executionId"])

    def interrupt(self) -> bool:
        """KeyboardInterrupt in what runs; the variables stay. Returns whether anything ran."""
        return bool((self._ask(self._calls.post("/interrupt"))).get("success"))

    def restart(self) -> None:
        """A fresh interpreter under the same id; files stay."""
        self._ask(self._calls.post("/restart"))

    # ---- saved states and copies ----

    def fork(self, count: int = 1) -> "List[Session]":
        """Live copies of the interpreter, as new sessions."""
        answer = self._ask(self._calls.post("/fork", {"count": count}))
        return [Session(self._api, self._run, str(made["id"])) for made in answer["sessions"]]

    def race(self, candidates: Sequence[str], keep: str = "firstOk", timeout: Optional[float] = None) -> Dict[str, Any]:
        """Each candidate runs in a copy of the present state: {"results": [...], "winner": index or None}."""
        return dict(self._ask(self._calls.race(candidates, keep, timeout)))

    def create_checkpoint(self, name: Optional[str] = None) -> Dict[str, Any]:
        """A state to go back to: {"id", "name", "createdAt", "executionCount"}."""
        return dict(self._ask(self._calls.post("/checkpoints", {} if name is None else {"name": name})))

    def list_checkpoints(self) -> List[Dict[str, Any]]:
        return list((self._ask(self._calls.get("/checkpoints")))["checkpoints"])

    def delete_checkpoint(self, checkpoint_id: str) -> None:
        self._ask(self._calls.delete(f"/checkpoints/{segment(checkpoint_id)}"))

    def rollback(self, checkpoint_id: Optional[str] = None) -> Dict[str, Any]:
        """To this checkpoint, or to the newest."""
        return dict(self._ask(self._calls.post("/rollback", {} if checkpoint_id is None else {"checkpointId": checkpoint_id})))

    # ---- variables ----

    def variables(self) -> Dict[str, Any]:
        """All, by name, as descriptions: type, value or preview, shape, size, ..."""
        return dict((self._ask(self._calls.get("/variables")))["variables"])

    def set_variables(self, values: Mapping[str, Any]) -> List[str]:
        """Sets JSON values in Python. Returns the names that were set."""
        return list((self._ask(self._calls.set_variables(values)))["updated"])

    def clear_variables(self) -> None:
        self._ask(self._calls.delete("/variables"))

    def get_variable(self, name: str, offset: Optional[int] = None, limit: Optional[int] = None) -> Dict[str, Any]:
        """One; `offset` and `limit` give a page of a big one."""
        return dict(self._ask(self._calls.variable(name, offset=offset, limit=limit)))

    def export_variable(self, name: str, format: str = "pickle") -> bytes:
        """format: json, csv or pickle."""
        data: bytes = self._run(self._api.bytes(self._calls.variable(name, format=format)))
        return data

    def delete_variable(self, name: str) -> None:
        self._ask(self._calls.delete(f"/variables/{segment(name)}"))

    # ---- files: paths in the session's workspace ----

    def list_files(self, path: str = "", depth: Optional[int] = None) -> List[Dict[str, Any]]:
        return list((self._ask(self._calls.get("/files", path=path or None, depth=depth)))["entries"])

    def read_file(self, path: str) -> bytes:
        data: bytes = self._run(self._api.bytes(self._calls.file(path, self._api)))
        return data

    def write_file(self, path: str, content: FileContent) -> None:
        """Makes the directories on the way."""
        self._run(self._api.send(self._calls.file(path, self._api, "PUT", content)))

    def delete_file(self, path: str) -> None:
        self._run(self._api.send(self._calls.file(path, self._api, "DELETE")))

    # ---- plots, packages, history ----

    def plots(self) -> List[Dict[str, Any]]:
        """The last ones, without their data."""
        return list((self._ask(self._calls.get("/plots")))["plots"])

    def get_plot(self, plot_id: str) -> bytes:
        """The image itself."""
        data: bytes = self._run(self._api.bytes(self._calls.bytes_of(f"/plots/{segment(plot_id)}", self._api)))
        return data

    def install_packages(self, names: Sequence[str], force: Optional[bool] = None) -> Dict[str, Any]:
        return dict(self._ask(calls.packages("install", self.id, names, self._api, force=force)))

    def packages(self) -> List[Any]:
        """What it can import: the service's own and what was installed into it."""
        return list((self._ask(Call("GET", f"/api/v1/packages/session/{segment(self.id)}")))["packages"])

    def uninstall_packages(self, names: Sequence[str]) -> Dict[str, Any]:
        return dict(self._ask(calls.packages("uninstall", self.id, names, self._api)))

    def notebook(self) -> Dict[str, Any]:
        """The history as a Jupyter notebook (nbformat 4.5)."""
        return dict(self._ask(self._calls.get("/notebook")))

    def export(self) -> bytes:
        """Variables, files and history, for import_session() of a client elsewhere."""
        data: bytes = self._run(self._api.bytes(self._calls.bytes_of("/export", self._api)))
        return data

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], *_: object) -> None:
        self._run(calls.leave(self._api, self._calls, kind is not None))
