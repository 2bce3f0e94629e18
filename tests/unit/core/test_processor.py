from __future__ import annotations

import os
from pathlib import Path

import pytest

from hearth.processor import cpu_features, cpu_share


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture(autouse=True)
def eight_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))


@pytest.mark.parametrize(
    ("files", "threads"),
    [
        ({}, 8),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 8),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "20000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "9900000 100000\n"}, 8),
        # The parent's quota binds its children; a container's own path is not mounted.
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/cpu.max": "300000 100000\n",
                "sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
            },
            3,
        ),
        ({"proc/self/cgroup": "0::/docker/x\n", "sys/fs/cgroup/cpu.max": "100000 100000"}, 1),
        (
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/job\n1:name=systemd:/\n",
                "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": "250000\n",
                "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000\n",
            },
            3,
        ),
        (
            {
                "proc/self/cgroup": "4:cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            8,
        ),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "rubbish"}, 8),
    ],
)
def test_the_share_is_the_smaller_of_processors_and_quota(
    tmp_path: Path, files: dict[str, str], threads: int
) -> None:
    assert cpu_share(tree(tmp_path, files), {}) == threads


@pytest.mark.parametrize(
    ("memory", "threads"),
    [("128", 1), ("1769", 1), ("1770", 2), ("2048", 2), ("3008", 2), ("10240", 6), ("much", 8)],
)
def test_a_lambda_s_memory_is_its_share_of_the_processors(
    tmp_path: Path, memory: str, threads: int
) -> None:
    assert cpu_share(tmp_path, {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": memory}) == threads


def test_the_smallest_of_all_shares_counts(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "300000 100000\n"}
    environment = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "10240"}
    assert cpu_share(tree(tmp_path, files), environment) == 3


@pytest.mark.parametrize(
    ("cpuinfo", "features"),
    [
        (None, ()),
        ("flags\t\t: fpu avx2 avx512_bf16\n", ("avx2", "avx512_bf16")),
        ("Features\t: fp asimd\n", ("asimd",)),
        ("model name : thing\n", ()),
    ],
)
def test_features_are_those_that_matter(
    tmp_path: Path, cpuinfo: str | None, features: tuple[str, ...]
) -> None:
    if cpuinfo is not None:
        tree(tmp_path, {"proc/cpuinfo": cpuinfo})
    assert cpu_features(tmp_path) == features
