from __future__ import annotations

import pytest

from tests.image.build import IMAGES, build_all, missing


@pytest.fixture(scope="session")
def images() -> tuple[str, ...]:
    """Names of the functions' images, built from the working tree."""
    if (reason := missing()) is not None:
        pytest.skip(reason)
    build_all()
    return IMAGES
