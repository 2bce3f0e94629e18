"""Build the images that the tests use, one build at a time on this machine.

    python -m tests.image.build

`scripts/test` starts this in the background while the first tests run. Who needs the images calls
`build_all`, which waits until that is done; then all layers are there and it takes a second each.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BASE = "public.ecr.aws/docker/library/python:3.13-slim"
TAG = "test"
IMAGES = tuple(sorted(path.parent.name for path in ROOT.glob("functions/*/Dockerfile")))


def docker(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the Docker client; what it printed is in the error when it fails."""
    result = subprocess.run(["docker", *arguments], cwd=ROOT, capture_output=True, text=True)
    if check and result.returncode != 0:
        raise AssertionError(f"docker {' '.join(arguments)}: {result.stderr[-3000:]}")
    return result


def missing() -> str | None:
    """Why no image can be built or run here; None where it can."""
    if shutil.which("docker") is None:
        return "there is no docker command"
    if docker("info", check=False).returncode != 0:
        return "no Docker engine answers"
    here = docker("image", "inspect", BASE, check=False).returncode == 0
    if not here and docker("pull", "--quiet", BASE, check=False).returncode != 0:
        return f"{BASE} is not here and cannot be pulled"
    return None


def tag(name: str) -> str:
    """The image of a capability, as the tests build it."""
    return f"hearth-{name}:{TAG}"


def build_image(folder: str, name: str, *options: str) -> None:
    """Build one image from the working tree; layers that did not change are reused."""
    arguments = ("--quiet", f"--file={folder}/Dockerfile", f"--tag={name}", *options)
    # Everywhere the same, so that all builds share their layers.
    docker("build", *arguments, "--build-arg=VERSION=1.2.3", "--build-arg=REVISION=abc", ".")


def build_all() -> None:
    """Build the image of every function, of the runtime and of the model tools."""
    # Two builds of one layer at once would do the work twice.
    lock = Path(tempfile.gettempdir()) / f"hearth-images-{os.getuid()}.lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for name in IMAGES:
            build_image(f"functions/{name}", tag(name))
        for name, folder in (("models", "layers/models"), ("runtime", "localstack")):
            build_image(folder, tag(name))


if __name__ == "__main__":
    if (reason := missing()) is not None:
        sys.exit(f"no image is built: {reason}")
    build_all()
