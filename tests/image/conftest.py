from __future__ import annotations

import pytest

from tests.image.build import build_all
from tests.image.containers import IMAGES, missing


@pytest.fixture(scope="session")
def images() -> tuple[str, ...]:
    """Names of the images, built from the working tree."""
    if (reason := missing()) is not None:
        pytest.skip(reason)
    build_all()
    return IMAGES
