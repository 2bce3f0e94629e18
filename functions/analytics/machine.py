"""Utilization of the machine: of the host at home, of the sandbox on Lambda."""

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
    """Measures the utilization of the machine.

    Args:
        file: A file on the disk to measure; None measures the disk of temporary files.
        proc: Linux's process file system.
    """

    def __init__(self, file: Path | None, proc: Path = _PROC) -> None:
        self._folder = Path(gettempdir()) if file is None else file.parent
        self._proc = proc

    def load(self) -> Load:
        """Measure the last minute's load for each processor, and memory and disk in use.

        As in `df`, blocks reserved for root count as used.
        """
        disk = shutil.disk_usage(self._folder)
        return Load(self._cpu(), self._memory(), _percent(disk.total - disk.free, disk.total))

    def _cpu(self) -> float:
        """Return the load average for each processor. The busy time would need two measurements
        some time apart."""
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
