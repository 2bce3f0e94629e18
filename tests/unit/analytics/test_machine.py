from __future__ import annotations

from pathlib import Path

import pytest

from functions.analytics.machine import Machine

MEMORY = "MemTotal:       8000 kB\nMemFree:         100 kB\nMemAvailable:   2000 kB\n"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "loadavg").write_text("0.50 9.00 9.00 1/200 4711\n")
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: x\nprocessor\t: 1\n")
    (tmp_path / "meminfo").write_text(MEMORY)
    return tmp_path


def test_load_memory_and_disk_are_shares_of_the_total(proc: Path) -> None:
    load = Machine(proc / "hearth.db", proc).load()
    assert (load.cpu, load.memory) == (25.0, 75.0)
    assert 0 < load.disk <= 100


def test_more_work_than_processors_is_a_hundred_per_cent(proc: Path) -> None:
    (proc / "loadavg").write_text("64.00 1.00 1.00 1/200 4711\n")
    assert Machine(None, proc).load().cpu == 100.0


def test_this_machine_can_be_measured() -> None:
    load = Machine(None).load()
    assert 0 <= load.cpu <= 100
    assert 0 < load.memory < 100
