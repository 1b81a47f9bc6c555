"""One session, by its id: everything that can be done with it. As session.py, with `await`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Awaitable, Callable, Dict, List, Mapping, Optional, Sequence, Type

from . import calls
from .api import Api, Call, segment
from .calls import FileContent, RunOptions
from .effects import Flow
from .result import ExecutionResult
from .stream import AsyncExecutionStream, EventFlow

if TYPE_CHECKING:
    from typing_extensions import Unpack


class AsyncSession:
    """Makes no request by itself. In a `async with` block: deleted at its end."""

    def __init__(self, api: Api, run: Callable[[Flow[Any]], Awaitable[Any]], session_id: str) -> None:
        self.id = session_id
        self._api, self._run, self._calls = api, run, calls.SessionCalls(session_id)

    async def _ask(self, call: Call) -> Any:
        return await self._run(self._api.json(call))

    async def get(self) -> Dict[str, Any]:
        """What the service says of it: status, limits, policy, resourceUsage, ..."""
        return dict(await self._ask(self._calls.get()))

    async def stats(self) -> Dict[str, Any]:
        return dict(await self._ask(self._calls.get("/stats")))

    async def update(self, metadata: Optional[Mapping[str, Any]] = None, variables: Optional[Mapping[str, Any]] = None) -> Dict[str, Any]:
        return dict(await self._ask(self._calls.update(metadata, variables)))

    async def delete(self) -> None:
        """Every process of it ends. Doing it twice is fine."""
        await self._ask(self._calls.delete())

    # ---- runs: RunOptions says with what ----

    async def execute(self, code: str, **options: "Unpack[RunOptions]") -> ExecutionResult:
        """Runs to the end; stdout and stderr are exactly what was printed. Files that were made are in `artifacts`: read_file() has them."""
        result: ExecutionResult = await self._run(calls.execute(self._api, calls.run_body(code, self.id, **options)))
        return result

    def stream(self, code: str, **options: "Unpack[RunOptions]") -> AsyncExecutionStream:
        """Runs; the events come as they happen."""
        return AsyncExecutionStream(EventFlow(self._api, calls.stream(calls.run_body(code, self.id, **options))), self._run)

    async def start(self, code: str, **options: "Unpack[RunOptions]") -> str:
        """Runs in the background. Returns the execution's id, for watch() and get_execution()."""
        return str((await self._ask(calls.start(calls.run_body(code, self.id, **options))))["executionId"])

    async def interrupt(self) -> bool:
        """KeyboardInterrupt in what runs; the variables stay. Returns whether anything ran."""
        return bool((await self._ask(self._calls.post("/interrupt"))).get("success"))

    async def restart(self) -> None:
        """A fresh interpreter under the same id; files stay."""
        await self._ask(self._calls.post("/restart"))

    # ---- saved states and copies ----

    async def fork(self, count: int = 1) -> "List[AsyncSession]":
        """Live copies of the interpreter, as new sessions."""
        answer = await self._ask(self._calls.post("/fork", {"count": count}))
        return [AsyncSession(self._api, self._run, str(made["id"])) for made in answer["sessions"]]

    async def race(self, candidates: Sequence[str], keep: str = "firstOk", timeout: Optional[float] = None) -> Dict[str, Any]:
        """Each candidate runs in a copy of the present state: {"results": [...], "winner": index or None}."""
        return dict(await self._ask(self._calls.race(candidates, keep, timeout)))

    async def create_checkpoint(self, name: Optional[str] = None) -> Dict[str, Any]:
        """A state to go back to: {"id", "name", "createdAt", "executionCount"}."""
        return dict(await self._ask(self._calls.post("/checkpoints", {} if name is None else {"name": name})))

    async def list_checkpoints(self) -> List[Dict[str, Any]]:
        return list((await self._ask(self._calls.get("/checkpoints")))["checkpoints"])

    async def delete_checkpoint(self, checkpoint_id: str) -> None:
        await self._ask(self._calls.delete(f"/checkpoints/{segment(checkpoint_id)}"))

    async def rollback(self, checkpoint_id: Optional[str] = None) -> Dict[str, Any]:
        """To this checkpoint, or to the newest."""
        return dict(await self._ask(self._calls.post("/rollback", {} if checkpoint_id is None else {"checkpointId": checkpoint_id})))

    # ---- variables ----

    async def variables(self) -> Dict[str, Any]:
        """All, by name, as descriptions: type, value or preview, shape, size, ..."""
        return dict((await self._ask(self._calls.get("/variables")))["variables"])

    async def set_variables(self, values: Mapping[str, Any]) -> List[str]:
        """Sets JSON values in Python. Returns the names that were set."""
        return list((await self._ask(self._calls.set_variables(values)))["updated"])

    async def clear_variables(self) -> None:
        await self._ask(self._calls.delete("/variables"))

    async def get_variable(self, name: str, offset: Optional[int] = None, limit: Optional[int] = None) -> Dict[str, Any]:
        """One; `offset` and `limit` give a page of a big one."""
        return dict(await self._ask(self._calls.variable(name, offset=offset, limit=limit)))

    async def export_variable(self, name: str, format: str = "pickle") -> bytes:
        """format: json, csv or pickle."""
        data: bytes = await self._run(self._api.bytes(self._calls.variable(name, format=format)))
        return data

    async def delete_variable(self, name: str) -> None:
        await self._ask(self._calls.delete(f"/variables/{segment(name)}"))

    # ---- files: paths in the session's workspace ----

    async def list_files(self, path: str = "", depth: Optional[int] = None) -> List[Dict[str, Any]]:
        return list((await self._ask(self._calls.get("/files", path=path or None, depth=depth)))["entries"])

    async def read_file(self, path: str) -> bytes:
        data: bytes = await self._run(self._api.bytes(self._calls.file(path, self._api)))
        return data

    async def write_file(self, path: str, content: FileContent) -> None:
        """Makes the directories on the way."""
        await self._run(self._api.send(self._calls.file(path, self._api, "PUT", content)))

    async def delete_file(self, path: str) -> None:
        await self._run(self._api.send(self._calls.file(path, self._api, "DELETE")))

    # ---- plots, packages, history ----

    async def plots(self) -> List[Dict[str, Any]]:
        """The last ones, without their data."""
        return list((await self._ask(self._calls.get("/plots")))["plots"])

    async def get_plot(self, plot_id: str) -> bytes:
        """The image itself."""
        data: bytes = await self._run(self._api.bytes(self._calls.bytes_of(f"/plots/{segment(plot_id)}", self._api)))
        return data

    async def install_packages(self, names: Sequence[str], force: Optional[bool] = None) -> Dict[str, Any]:
        return dict(await self._ask(calls.packages("install", self.id, names, self._api, force=force)))

    async def packages(self) -> List[Any]:
        """What it can import: the service's own and what was installed into it."""
        return list((await self._ask(Call("GET", f"/api/v1/packages/session/{segment(self.id)}")))["packages"])

    async def uninstall_packages(self, names: Sequence[str]) -> Dict[str, Any]:
        return dict(await self._ask(calls.packages("uninstall", self.id, names, self._api)))

    async def notebook(self) -> Dict[str, Any]:
        """The history as a Jupyter notebook (nbformat 4.5)."""
        return dict(await self._ask(self._calls.get("/notebook")))

    async def export(self) -> bytes:
        """Variables, files and history, for import_session() of a client elsewhere."""
        data: bytes = await self._run(self._api.bytes(self._calls.bytes_of("/export", self._api)))
        return data

    async def __aenter__(self) -> "AsyncSession":
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], *_: object) -> None:
        await self._run(calls.leave(self._api, self._calls, kind is not None))
