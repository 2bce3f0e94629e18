"""The frames of one queue batch, and what has become of each so far."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from functions.detection.policy import CameraRules
from functions.detection.schemas import DropReason
from hearth.errors import HearthError
from hearth.frames import FrameRef
from hearth.ledger.ledger import Job
from hearth_vision.images import Bgr


@dataclass(frozen=True)
class Frame:
    """A frame by its key alone, before anything is fetched."""

    job: Job
    ref: FrameRef
    rules: CameraRules


@dataclass(frozen=True)
class LoadedFrame:
    """A frame with its image.

    Attributes:
        image: The part that the model sees.
        view: Corners of that part in the whole image, x1, y1, x2, y2 in pixels.
        size: (width, height) of the whole image, pixels.
    """

    frame: Frame
    image: Bgr
    view: tuple[int, int, int, int]
    size: tuple[int, int]


@dataclass
class FrameBatch:
    """Each frame ends in exactly one of `loaded`, `dropped`, `to_retry` and `failed`.

    Attributes:
        accepted: Frames to fetch and to judge.
        loaded: The accepted frames whose images are decoded, in the same order.
        dropped: Frames that are not judged, by load shedding or by the rate limit.
        to_retry: Jobs for which no time was left.
        failed: Jobs whose frames cannot be judged, with the reason.
    """

    accepted: list[Frame] = field(default_factory=list)
    loaded: list[LoadedFrame] = field(default_factory=list)
    dropped: list[tuple[Frame, DropReason]] = field(default_factory=list)
    to_retry: list[Job] = field(default_factory=list)
    failed: list[tuple[Job, HearthError]] = field(default_factory=list)

    def drop(self, job_ids: Collection[str], reason: DropReason) -> None:
        """Take accepted frames out."""
        self.dropped += [(frame, reason) for frame in self.accepted if frame.job.id in job_ids]
        self.accepted = [frame for frame in self.accepted if frame.job.id not in job_ids]
