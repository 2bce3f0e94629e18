"""Images of the functions, as each place needs them; layers that did not change are reused."""

from __future__ import annotations

from functools import cache

from tests.image.build import build_image, docker, tag
from tests.image.places.backing import functions
from tests.image.places.contract import CASES
from tests.image.places.rie import IN_THE_IMAGE, emulator


def capabilities() -> list[str]:
    """Folders of `functions/` that the table needs, each with one image."""
    handlers = {spec.short_name: spec.handler for spec in functions()}
    return sorted({handlers[case.function].split(".")[1] for case in CASES})


def tag_of(capability: str, stage: str) -> str:
    """The image of a capability at a stage of its Dockerfile."""
    return tag(capability) if stage == "hardened" else f"{tag(capability)}-{stage}"


@cache
def build(capability: str, stage: str) -> str:
    """Build one image from the working tree; its tag."""
    name = tag_of(capability, stage)
    if stage == "with-rie":
        build(capability, "hardened")
        return _with_emulator(capability, name)
    build_image(f"functions/{capability}", name, f"--target={stage}")
    return name


def _with_emulator(capability: str, name: str) -> str:
    """The image and the Runtime Interface Emulator, which MiniStack's Lambda asks for."""
    container = docker("create", tag_of(capability, "hardened")).stdout.strip()
    try:
        docker("cp", str(emulator()), f"{container}:{IN_THE_IMAGE}")
        docker("commit", container, name)
    finally:
        docker("rm", container)
    return name
