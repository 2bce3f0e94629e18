"""Algorithms run here in the tests' own process, which elsewhere is forked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sklearn.cluster  # noqa: F401  its OpenMP must be loaded to be held
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True)
def one_openmp_thread() -> Iterator[None]:
    """No pool of OpenMP threads comes to be: a child forked beside one would wait for it for ever.

    The function never has one before it forks (functions/clustering/bounded.py).
    """
    with threadpool_limits(1, user_api="openmp"):
        yield
