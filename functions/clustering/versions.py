"""The versions of the libraries that compute."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Final

PACKAGES: Final = ("scikit-learn", "numpy", "scipy", "skops")


@cache
def libraries() -> dict[str, str]:
    """Return the version of each package without importing it."""
    return {package: version(package) for package in PACKAGES}
