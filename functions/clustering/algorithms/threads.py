"""How many threads native code may use."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Final

import sklearn.cluster  # noqa: F401  what has threads must be loaded to be held
from threadpoolctl import ThreadpoolController

_LOADED: Final = ThreadpoolController()
"""Made once: looking for the libraries that have threads takes longer than a small fit."""


def one_thread() -> AbstractContextManager[Any]:
    """No more than the caller's own, where sums must not depend on who comes first."""
    limit: AbstractContextManager[Any] = _LOADED.limit(limits=1)
    return limit


def one_openmp_thread() -> AbstractContextManager[Any]:
    """No OpenMP threads come to be: a process forked beside them would wait for them for ever."""
    limit: AbstractContextManager[Any] = _LOADED.limit(limits=1, user_api="openmp")
    return limit
