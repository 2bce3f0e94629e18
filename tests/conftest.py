"""Fixtures that more than one suite needs; each suite adds its own beside its tests."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["tests.support.dsql", "tests.support.postgres"]
IMAGES = Path(__file__).with_name("image")


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in this hook too
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Which tests stay in one process when several run them.

    Those of a file share its fixtures. All that need the container engine share images and the
    machine's processors; they take longest, so they begin.
    """
    for item in items:
        engine = item.path.is_relative_to(IMAGES)
        item.add_marker(pytest.mark.xdist_group("engine" if engine else str(item.path)))
    items.sort(key=lambda item: not item.path.is_relative_to(IMAGES))
