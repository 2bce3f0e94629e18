"""What a run watches: sources and their cameras, or photographs where none was given."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from hearth_runtime.commands.output import MISUSED, CommandError
from hearth_runtime.watch.addresses import missing_path, public_source, without_secrets
from hearth_runtime.watch.keys import check_camera, default_camera

PHOTOGRAPHS = "photographs"
# People, and images without any: that an empty one raises no incident is part of the show.
_FILES = ("astronaut.png", "camera.png", "coffee.png", "chelsea.png", "rocket.jpg")
# Every image three times, a second apart: an incident needs three observations.
PHOTOGRAPH_LOOPS = 3
PHOTOGRAPH_FPS = 1.0

BUILT_IN = (
    "No model was named, so the person detector that Hearth brings looks for people. It knows no "
    "helmets, vests, goggles, gloves or boots, so these stay indeterminate and only restricted "
    "zones are judged. YOLOX's official release (Apache-2.0) finds more people: --model FILE."
)


NO_POLICY = (
    "No policy was named: people are only noticed, and nothing is required of them. --profile "
    "worksite requires helmet and vest, --policy FILE what it says, --restricted that nobody is "
    "there."
)


@dataclass(frozen=True, slots=True)
class Watched:
    """A source and the camera it becomes."""

    source: str
    camera: str


def plan(sources: Sequence[str], camera: str | None) -> list[Watched]:
    """Give every source a camera id; equal names get -2, -3, …

    Raises:
        CommandError: One camera id was given for several sources.
        SourceError: The camera id is not valid.
    """
    if camera is not None:
        if len(sources) > 1:
            raise CommandError(
                "--camera names one camera, but there are several sources.",
                "Leave it out: each source gets a camera named after it.",
                code=MISUSED,
            )
        return [Watched(sources[0], check_camera(camera))]
    planned: list[Watched] = []
    taken: set[str] = set()
    for source in sources:
        name = default_camera(source)
        number, candidate = 2, name
        while candidate in taken:
            suffix = f"-{number}"
            candidate = name[: 63 - len(suffix)] + suffix
            number += 1
        taken.add(candidate)
        planned.append(Watched(source, candidate))
    return planned


def renamed(watched: Iterable[Watched], camera: str | None) -> list[Watched]:
    """Sources whose own name was taken by another; none where `camera` was given."""
    return [
        item for item in watched if camera is None and item.camera != default_camera(item.source)
    ]


def describe_failure(source: str, message: str) -> str:
    """Why a source failed, without its secrets."""
    return f"{public_source(source)}: {without_secrets(message, source)}"


def check_files(watched: Iterable[Watched]) -> None:
    """See that files and folders are there, before a stack is started for them.

    Raises:
        SourceError: One is not.
    """
    for item in watched:
        is_path = not item.source.isdecimal() and "://" not in item.source
        if is_path and not Path(item.source).exists():
            raise missing_path(Path(item.source))


def copy_photographs(folder: Path) -> Path:
    """Put real photographs that ship inside scikit-image into a folder, times included.

    They are copied with their times, so that a second run stores nothing new.

    Raises:
        CommandError: scikit-image is not installed, or holds none of them.
    """
    found = importlib.util.find_spec("skimage")
    origin = Path(found.origin).parent / "data" if found and found.origin else None
    files = [origin / name for name in _FILES if (origin / name).is_file()] if origin else []
    if not files:
        raise CommandError(
            "The photographs of scikit-image are not there.",
            "Run scripts/setup, or name a SOURCE: a video, an image, a folder, rtsp://….",
        )
    target = folder / PHOTOGRAPHS
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for file in files:
        shutil.copy2(file, target / file.name)
    return target


def write_restricted_policy(folder: Path, cameras: Iterable[str]) -> Path:
    """A policy under which nobody may be where these cameras look.

    Equipment is still asked for, so that reports say which of it could not be judged.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "restricted.yaml"
    policy = {"version": 1, "cameras": {camera: {"restricted": True} for camera in cameras}}
    text = yaml.safe_dump(policy, sort_keys=True)
    path.write_text(f"# Written by `hearth run`: every camera of the run is restricted.\n{text}")
    return path
