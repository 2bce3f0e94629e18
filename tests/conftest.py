"""Fixtures that more than one suite needs; each suite adds its own beside its tests."""

from __future__ import annotations

from collections import Counter

import pytest
from schemathesis.pytest.plugin import SchemathesisFunction

pytest_plugins = ["tests.support.servers", "tests.support.databases", "tests.support.dsql"]


def pytest_itemcollected(item: pytest.Item) -> None:
    """Name a test of Schemathesis by its operation: pytest names all of a document alike."""
    if isinstance(item, SchemathesisFunction) and item.parent is not None:
        item._id = item.parent.id.child(item.name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, and stop where two tests share a name.

    pytest-xdist gives a file to one worker, so a long one that begins last is waited for; of two
    tests of one name it would run only one.
    """
    items.sort(key=lambda item: "e2e" not in item.path.parts)
    twice = [name for name, number in Counter(item.nodeid for item in items).items() if number > 1]
    if twice:
        raise pytest.UsageError(f"tests that share a name: {', '.join(twice[:10])}")
