"""Which cases a place is asked.

Processes and containers are asked all of them each time. Elsewhere the image and the handler are
the same and only the border is another, so that one case a function tells: unless what makes the
border has changed since all cases passed everywhere (`scripts/test --all-places`).

    python -m tests.image.places.scope      note that all cases have passed with what is here now
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence

from tests.image.build import ROOT
from tests.image.places.contract import Case

PROVED = ROOT / "tests/image/places/proved.sha256"
_FILES = (
    "layers/core/image/*",  # the images' base, entry and pattern
    "tests/image/places/**/*.py",  # this suite, but for its table
    ".ci/requirements-sam.txt",  # sam local, and the Runtime Interface Emulator
)
_PINS = {"layers/core/requirements.txt": "awslambdaric", "requirements-dev.txt": "ministack"}


def fingerprint() -> str:
    """A hash of everything that a place's border is made of."""
    table = ROOT / "tests/image/places/contract.py"
    digest = hashlib.sha256()
    for path in sorted({path for pattern in _FILES for path in ROOT.glob(pattern)} - {table}):
        digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    for file, package in _PINS.items():
        pins = re.findall(rf"^{package}==\S+", (ROOT / file).read_text("utf-8"), re.M)
        digest.update("\n".join(pins).encode())
    return digest.hexdigest()


def needs_every_case() -> bool:
    """Whether every place is to be asked all cases."""
    if os.environ.get("HEARTH_PLACES") == "all":
        return True
    return not PROVED.is_file() or PROVED.read_text("ascii").strip() != fingerprint()


def first_of_each_function(cases: Sequence[Case]) -> list[Case]:
    """One case a function, in the table's order."""
    first: dict[str, Case] = {}
    for case in cases:
        first.setdefault(case.function, case)
    return list(first.values())


if __name__ == "__main__":
    PROVED.write_text(fingerprint() + "\n", "ascii")
    print(f"commit {PROVED.relative_to(ROOT)}")
