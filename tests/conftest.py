"""Fixtures that more than one suite needs; each suite adds its own beside its tests."""

from __future__ import annotations

pytest_plugins = ["tests.support.servers", "tests.support.databases", "tests.support.dsql"]
