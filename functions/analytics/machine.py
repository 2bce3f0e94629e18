"""How much of the machine is in use: of the host at home, of the sandbox on Lambda."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import Final

_PROC: Final = Path("/proc")


@dataclass(frozen=True, slots=True)
class Load:
    """Per cent in use, 0..100."""

    cpu: float
    memory: float
    disk: float


class Machine:
    """Looks at the machine.

    Args:
        file: Whose disk is looked at; None means that of temporary files, which Lambda has too.
        proc: Linux's process file system.
    """

    def __init__(self, file: Path | None, proc: Path = _PROC) -> None:
        self._folder = Path(gettempdir()) if file is None else file.parent
        self._proc = proc

    def load(self) -> Load:
        """The last minute's load a processor, memory and disk now.

        The disk's figure is `df`'s: what root keeps for itself counts as used.
        """
        disk = shutil.disk_usage(self._folder)
        return Load(self._cpu(), self._memory(), _percent(disk.total - disk.free, disk.total))

    def _cpu(self) -> float:
        """Processes that run or want to, for each processor. Not the time that was busy: that needs
        two looks, and an answer does not wait for the second."""
        last_minute = float((self._proc / "loadavg").read_text().split()[0])
        lines = (self._proc / "cpuinfo").read_text().splitlines()
        processors = sum(line.startswith("processor") for line in lines)
        return _percent(last_minute, max(1, processors))

    def _memory(self) -> float:
        kilobytes = {
            name: int(rest.split()[0])
            for name, _, rest in (
                line.partition(":") for line in (self._proc / "meminfo").read_text().splitlines()
            )
        }
        total = kilobytes["MemTotal"]
        return _percent(total - kilobytes["MemAvailable"], total)


def _percent(part: float, whole: float) -> float:
    return round(min(100.0, max(0.0, 100 * part / whole)), 1)
