from __future__ import annotations

import pytest

from tests.image.containers import IMAGES, docker, missing, tag


@pytest.fixture(scope="session")
def images() -> tuple[str, ...]:
    """Names of the images, built from the working tree (layers that did not change are reused)."""
    if (reason := missing()) is not None:
        pytest.skip(reason)
    for name in IMAGES:
        arguments = ("--quiet", f"--file=functions/{name}/Dockerfile", f"--tag={tag(name)}")
        docker("build", *arguments, "--build-arg=VERSION=1.2.3", "--build-arg=REVISION=abc", ".")
    return IMAGES
