"""Build the images that the tests of tests/image run: python -m tests.image.build

`scripts/test` does it while the first tests run, so that later every layer is there.
"""

from __future__ import annotations

import sys

from tests.image.containers import IMAGES, docker, missing, tag


def build_all() -> None:
    """Build every function's image from the working tree; layers that did not change are reused."""
    for name in IMAGES:
        arguments = ("--quiet", f"--file=functions/{name}/Dockerfile", f"--tag={tag(name)}")
        docker("build", *arguments, "--build-arg=VERSION=1.2.3", "--build-arg=REVISION=abc", ".")


if __name__ == "__main__":
    if (reason := missing()) is not None:
        sys.exit(f"no images: {reason}")
    build_all()
