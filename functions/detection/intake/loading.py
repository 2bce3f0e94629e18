"""Fetches and decodes frames in threads, ahead of the model."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

from functions.detection.intake.frame_batch import Frame, FrameBatch, LoadedFrame
from hearth.errors import HearthError, NotFound
from hearth.ledger.consumer import Deadline
from hearth_vision.images import Bgr, ImageLimits, decode_image

FRAME_RESERVE_S: Final = 2.0
"""A frame that is not begun with so much time left is put off; seconds."""


class Objects(Protocol):
    def get(self, key: str, max_bytes: int) -> bytes: ...


class FrameLoader:
    """Loads the accepted frames of a batch.

    Args:
        threads: How many frames are fetched and decoded at once.
    """

    def __init__(self, store: Objects, limits: ImageLimits, threads: int) -> None:
        self._store = store
        self._limits = limits
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="fetch")

    def load(self, batch: FrameBatch, deadline: Deadline) -> Iterator[Bgr]:
        """The image of each frame that can be judged; the batch notes what became of each."""
        loading = [(frame, self._pool.submit(self._load, frame)) for frame in batch.accepted]
        for frame, future in loading:
            if not deadline.allows(FRAME_RESERVE_S):
                future.cancel()
                batch.to_retry.append(frame.job)
                continue
            try:
                loaded = future.result()
            except HearthError as error:
                batch.failed.append((frame.job, error))
                continue
            batch.loaded.append(loaded)
            yield loaded.image

    def _load(self, frame: Frame) -> LoadedFrame:
        key = frame.job.payload["key"]
        try:
            data = self._store.get(key, self._limits.max_bytes)
        except NotFound:
            raise NotFound(f"frame {key} was deleted before it was processed") from None
        image = decode_image(data, self._limits)
        size = image.shape[1], image.shape[0]
        x1, y1, x2, y2 = view = frame.rules.view(size)
        return LoadedFrame(frame, image[y1:y2, x1:x2], view, size)
