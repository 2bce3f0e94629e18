"""How a watch shows what it does: a bar on a terminal, JSON lines anywhere else."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from hearth_runtime.commands.output import Output

if TYPE_CHECKING:
    from hearth_runtime.watch.watcher import Event


class ProgressLines:
    """Events as JSON lines, one about every second."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def __call__(self, event: Event) -> None:
        self._output.event(event)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """There is nothing to put back."""


class ProgressBar:
    """Events as one moving line; warnings above it."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("[bold]{task.description}[/]"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[facts]}"),
            TimeElapsedColumn(),
            console=output.err,
            transient=True,
        )
        self._task = self._progress.add_task("watch", total=None, facts="")

    def __call__(self, event: Event) -> None:
        name = event["event"]
        if name == "warning":
            self._output.err.print(f"[yellow]warning[/]: {escape(event['message'])}")
        elif name == "started":
            self._progress.update(self._task, description=event["camera"], total=event["total"])
        elif name == "progress":
            facts = f"{event['frames_sent']} uploaded, {event['frames_gated']} still"
            if event["frames_waiting"]:
                facts += f", [yellow]{event['frames_waiting']} on disk[/]"
            if event["frames_dropped"]:
                facts += f", [red]{event['frames_dropped']} lost[/]"
            facts += f", {event['fps']} frames/s"
            self._progress.update(self._task, completed=event["frames_read"], facts=facts)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()


def progress_for(output: Output) -> ProgressBar | ProgressLines:
    """A bar where a person watches a terminal, lines otherwise."""
    if output.err.is_terminal and not output.json:
        return ProgressBar(output)
    return ProgressLines(output)
