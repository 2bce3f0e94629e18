"""Hot reload: a function whose source has changed answers its next event with the new code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import aclosing
from pathlib import Path

from watchfiles import PythonFilter, awatch

from hearth_runtime.observe.logs import LogStream

from .engine import Engine
from .functions import FunctionSpec

NO_BYTECODE = {"PYTHONDONTWRITEBYTECODE": "1"}
"""What functions need besides: bytecode counts as valid for another source of the same size that
was saved within the same second."""
_TOGETHER_MS = 50  # an editor or git writes several files; the last one decides


def affected(files: Iterable[Path], root: Path, functions: Sequence[FunctionSpec]) -> list[str]:
    """Physical names of the functions that changed files belong to, in the template's order.

    A file in the folder of a function's handler is that function's; any other one may be
    everybody's.
    """
    folders = {spec.name: _folder(root, spec) for spec in functions}
    found: set[str] = set()
    for file in files:
        owners = {name for name, folder in folders.items() if folder in file.parents}
        found |= owners or set(folders)
    return [spec.name for spec in functions if spec.name in found]


_IN_NO_IMAGE = {"__pycache__", "hearth_models"}


def sources(root: Path) -> dict[str, Path]:
    """Where the project's packages lie in an image, and on this machine."""
    packages = [root / "functions", *root.glob("layers/*/python/*")]
    return {
        f"/var/task/{path.name}": path
        for path in sorted(packages)
        if path.is_dir() and path.name not in _IN_NO_IMAGE and path.suffix != ".egg-info"
    }


class Reload:
    """Watches the project's Python files and recycles the functions they belong to."""

    def __init__(self, root: Path, engine: Engine, logs: LogStream) -> None:
        """
        Args:
            root: Folder of the template.
        """
        self._root = root.resolve()
        self._engine = engine
        self._logs = logs

    async def run(self) -> None:
        """Watch until cancelled."""
        handlers = {self._root / spec.handler.split(".")[0] for spec in self._engine.specs()}
        folders = [path for path in (*handlers, self._root / "layers") if path.is_dir()]
        changes = awatch(*folders, watch_filter=PythonFilter(), step=_TOGETHER_MS)
        async with aclosing(changes) as batches:
            async for batch in batches:
                files = sorted({Path(name) for _, name in batch})
                names = affected(files, self._root, self._engine.specs())
                self._engine.recycle(names)
                self._logs.write(
                    "INFO",
                    "code has changed; new instances take the next events",
                    files=[str(file.relative_to(self._root)) for file in files],
                    functions=names,
                )


def _folder(root: Path, spec: FunctionSpec) -> Path:
    package = spec.handler.split(".")[:-2]  # without module and name
    return root.joinpath(*package)
