"""Which libraries compute here."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Final

PACKAGES: Final = ("scikit-learn", "faiss-cpu", "numpy", "scipy", "skops")


@cache
def libraries() -> dict[str, str]:
    """Package → version; nothing of them is imported."""
    return {package: version(package) for package in PACKAGES}
