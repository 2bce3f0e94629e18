"""How much processor this process may use, and what that processor can do."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path

_FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd")

BF16_FEATURES = frozenset({"avx512_bf16", "amx_bf16"})


MB_PER_PROCESSOR = 1769
"""Memory for which Lambda gives one processor ("Configure Lambda function memory"); less memory is
less of its time, although two processors are seen."""


def cpu_share(root: Path = Path("/"), environment: Mapping[str, str] = os.environ) -> int:
    """Threads worth starting: the processors we may run on, cut to our share of their time.

    A container with `--cpus 1.5` on 64 processors sees all 64 but is throttled at 1.5, so the
    quota of every control group above this process counts. Version 1 and 2 layouts are read. A
    Lambda sees no control group, its memory tells its share.

    Args:
        root: Where `/proc` and `/sys` lie.
        environment: May hold `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`.

    Returns:
        At least 1; a fraction of a processor is rounded up.
    """
    allowed = len(os.sched_getaffinity(0))
    quotas = [quota for quota in map(_quota, _cpu_groups(root)) if quota is not None]
    memory = environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    if memory.isascii() and memory.isdecimal():
        quotas.append(int(memory) / MB_PER_PROCESSOR)
    return max(1, min(allowed, *(math.ceil(quota) for quota in quotas), allowed))


def cpu_features(root: Path = Path("/")) -> tuple[str, ...]:
    """The instruction sets that decide how fast a tensor program runs; empty where unknown."""
    flags: set[str] = set()
    for line in _read(root / "proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            flags.update(value.split())
            break
    return tuple(feature for feature in _FEATURES if feature in flags)


def has_bfloat16(root: Path = Path("/")) -> bool:
    """Whether the processor computes in bfloat16, which is slower than float32 where it is not."""
    return not BF16_FEATURES.isdisjoint(cpu_features(root))


def _cpu_groups(root: Path) -> list[Path]:
    """Folders of this process's control groups, from its own up to the root of the tree."""
    base = root / "sys/fs/cgroup"
    groups: list[Path] = []
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            top = base
        elif "cpu" in controllers.split(","):
            top = base / "cpu"
        else:
            continue
        group = top / path.lstrip("/")
        # Inside a container the path is often that of the host and does not exist: what
        # exists is the mounted top, which is then the container's own group.
        groups += [folder for folder in (group, *group.parents) if folder.is_relative_to(top)]
    return groups


def _quota(group: Path) -> float | None:
    """Processors that a control group allows; None where it sets no limit."""
    limit, _, period = _read(group / "cpu.max").partition(" ")
    if not period:
        limit, period = _read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us")
    try:
        quota = int(limit) / int(period)
    except (ValueError, ZeroDivisionError):
        return None
    return quota if quota > 0 else None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
