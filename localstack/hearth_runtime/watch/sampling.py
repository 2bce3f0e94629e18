"""Which frames are looked at: a steady rate, and only those on which something has changed."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from hearth_runtime.watch.frames import WHOLE, Frame, Image, Region, cut, grey_thumbnail

# Frame times come in whole milliseconds from some containers: a frame that is due in less than one
# is due.
_TOLERANCE_US = 1_000


class Sampler:
    """Keeps `fps` frames a second of media time; every frame when `fps` is None."""

    def __init__(self, fps: float | None) -> None:
        self.seen = 0
        self.skipped = 0
        self._step = None if fps is None else round(1_000_000 / fps)
        self._due: int | None = None

    def __call__(self, captured_at: int) -> bool:
        """Whether the frame of this time (microseconds) is kept; call once for every frame."""
        self.seen += 1
        if self._step is None:
            return True
        if self._due is not None and captured_at + _TOLERANCE_US < self._due:
            self.skipped += 1
            return False
        # Counting on from the due time, not from the frame, keeps the mean rate right where the
        # source's rate is no multiple of ours.
        due = (captured_at if self._due is None else self._due) + self._step
        self._due = due if due > captured_at else captured_at + self._step
        return True


class MotionGate:
    """Drops frames that show what the last kept one showed.

    A pixel has changed when its brightness differs by more than `contrast` (0..255) from that of
    the last frame that passed, on a thumbnail 240 pixels wide; a frame passes when more than
    `fraction` of the pixels have. Comparing with the last *passed* frame, not with the last one,
    makes slow movement add up. 0.3 % of an image is a person 9 % as tall as it, so that what a
    detector could find passes. The first frame passes, and one every `keep_alive_us`, so that a
    person who stands still is still there.

    With `regions` nothing else is looked at: the thumbnail is that of the smallest rectangle around
    them, and `fraction` is meant of their pixels.
    """

    def __init__(
        self,
        fraction: float = 0.003,
        contrast: int = 12,
        keep_alive_us: int = 1_000_000,
        regions: Sequence[Region] = (),
    ) -> None:
        self.dropped = 0
        self._regions = tuple(regions) or (WHOLE,)
        lefts, tops, rights, bottoms = zip(*self._regions, strict=True)
        self._part: Region = (min(lefts), min(tops), max(rights), max(bottoms))
        self._looked_at: NDArray[np.bool_] | None = None
        self._fraction = fraction
        self._contrast = contrast
        self._keep_alive = keep_alive_us
        self._reference: Image | None = None
        self._passed_at: int | None = None

    def passes(self, frame: Frame, captured_at: int) -> bool:
        """Whether the frame goes on; `captured_at` in microseconds, increasing."""
        grey = grey_thumbnail(frame, self._part)
        if grey is not None and self._is_still(grey, captured_at):
            self.dropped += 1
            return False
        self._reference = grey
        self._passed_at = captured_at
        return True

    def _is_still(self, grey: Image, captured_at: int) -> bool:
        reference, passed_at = self._reference, self._passed_at
        if reference is None or passed_at is None or reference.shape != grey.shape:
            return False
        if captured_at - passed_at >= self._keep_alive:
            return False
        mask = self._mask(grey.shape)
        changed = np.count_nonzero((cv2.absdiff(grey, reference) > self._contrast) & mask)
        return bool(changed <= self._fraction * np.count_nonzero(mask))

    def _mask(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Which pixels of a thumbnail are looked at; kept until a camera changes its resolution."""
        if self._looked_at is None or self._looked_at.shape != shape:
            self._looked_at = np.zeros(shape, np.bool_)
            left, top, right, bottom = self._part
            for region in self._regions:
                # From fractions of the image to fractions of the part around all regions.
                within = (
                    (region[0] - left) / (right - left),
                    (region[1] - top) / (bottom - top),
                    (region[2] - left) / (right - left),
                    (region[3] - top) / (bottom - top),
                )
                cut(self._looked_at, within)[...] = True
        return self._looked_at
