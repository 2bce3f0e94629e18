"""Algorithms run here in the tests' own process, which elsewhere is forked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from functions.clustering.algorithms import threads


@pytest.fixture(autouse=True)
def one_openmp_thread() -> Iterator[None]:
    """No pool of OpenMP threads comes to be: a child forked beside one would wait for it for ever.

    The function never has one before it forks (functions/clustering/bounded.py).
    """
    with threads.one_openmp_thread():
        yield
