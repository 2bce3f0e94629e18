"""Sends frames to the bucket in the order of capture, and through the spool when it must.

At most `in_flight` uploads run at once. While the oldest one fails nothing newer is begun: what
was waiting in memory goes to the spool, the oldest is tried again after growing waits, and when it
has arrived the rest follows in order. As long as anything waits in the spool, new frames queue
behind it there. While the disk takes no more they wait in memory: a file is read no further, of a
camera the oldest are dropped and counted. The end marker is sent when everything before it has
arrived.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from hearth_runtime.watch.bucket import OutOfReach, Refused
from hearth_runtime.watch.errors import StoreError
from hearth_runtime.watch.frames import Warn
from hearth_runtime.watch.spool import Spool

_FIRST_DELAY_S = 0.25
_LONGEST_DELAY_S = 10.0
_STOPPED_PATIENCE_S = 5.0


class Store(Protocol):
    """Where objects go. `put` raises OutOfReach or Refused."""

    def put(self, key: str, data: bytes) -> None: ...


@dataclass(slots=True)
class Counts:
    """What became of frames (and markers) so far."""

    sent: int = 0
    recovered: int = 0
    spooled: int = 0
    dropped: int = 0


class Uploader:
    """Uploads in the background; `submit` from one thread, `finish` once.

    Args:
        store: Where objects go.
        spool: Where they wait; entered, and left, by the caller.
        warn: Called with one sentence when the bucket is lost and when it is back.
        patient: Whether the source can wait (a file) or goes on without us (a camera). A patient
            `submit` blocks when memory or spool is full; an impatient one never does and lets the
            oldest spooled frame go instead.
        in_flight: Uploads at once.
    """

    def __init__(
        self, store: Store, spool: Spool, warn: Warn, *, patient: bool, in_flight: int = 4
    ) -> None:
        self.counts = Counts()
        self._store = store
        self._spool = spool
        self._warn = warn
        self._patient = patient
        self._drops = not patient
        self._in_flight = in_flight
        self._memory: deque[tuple[str, bytes]] = deque()
        self._memory_limit = 4 * in_flight
        self._left_over = {entry.key for entry in spool.oldest(len(spool))}
        self._changed = threading.Condition()
        self._closing = False
        self._abandoned = False
        self._broken: StoreError | None = None
        self._disk_is_full = False
        self._outage: str | None = None
        self._pool = ThreadPoolExecutor(in_flight, "upload")
        self._thread = threading.Thread(target=self._run, name="uploads", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many objects lie in the spool."""
        return len(self._spool)

    @property
    def outage(self) -> str | None:
        """Why the bucket is out of reach at the moment; None when it is not."""
        return self._outage

    def submit(self, key: str, data: bytes) -> None:
        """Hand over the next object.

        Raises:
            StoreError: An earlier object is lost.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._patient or self._has_room() or self._stopped())
            if self._broken is not None:
                raise self._broken
            self._left_over.discard(key)
            full = len(self._memory) >= self._memory_limit
            if len(self._spool) or self._outage is not None or full or self._abandoned:
                self._to_spool((key, data))
            else:
                self._memory.append((key, data))
            self._changed.notify_all()

    def hurry(self) -> None:
        """Let no `submit` wait any more: somebody wants an end."""
        with self._changed:
            self._patient = False
            self._changed.notify_all()

    def finish(self, patience_s: float, stop: threading.Event | None = None) -> bool:
        """Wait until all has arrived, at most `patience_s` while the bucket is out of reach.

        When `stop` is set somebody waits for the end: then at most five seconds.

        Returns:
            Whether all has; if not, the rest lies in the spool.

        Raises:
            StoreError: The spool cannot be written either.
        """
        deadline = time.monotonic() + patience_s
        hurried = False
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            while self._thread.is_alive() and not self._stopped():
                if self._outage is None and not hurried:
                    deadline = time.monotonic() + patience_s
                if stop is not None and stop.is_set():
                    deadline = min(deadline, time.monotonic() + _STOPPED_PATIENCE_S)
                    hurried, stop = True, None
                if self._outage is not None and time.monotonic() >= deadline:
                    break
                self._changed.wait(0.05)
            self._abandoned = True
            self._changed.notify_all()
        self._thread.join()
        self._pool.shutdown()
        if self._broken is not None:
            raise self._broken
        return len(self._spool) == 0

    def _has_room(self) -> bool:
        if self._outage is not None or len(self._spool):
            return not (self._spool.is_full or self._disk_is_full)
        return len(self._memory) < self._memory_limit

    def _stopped(self) -> bool:
        return self._abandoned or self._broken is not None

    def _to_spool(
        self, *newest: tuple[str, bytes], failed: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        """Move to the spool, in order: uploads that failed, all of the memory, and the newest."""
        waiting = deque([*failed, *self._memory, *newest])
        self._memory.clear()
        try:
            while waiting:
                key, data = waiting[0]
                self.counts.dropped += self._spool.add(key, data, drop_oldest=self._drops)
                self.counts.spooled += key.endswith(".jpg")
                waiting.popleft()
            self._disk_is_full = False
        except StoreError as error:
            if self._abandoned:  # nothing is going to be tried again
                raise
            if not self._disk_is_full:
                self._warn(
                    f"{error.message.removesuffix('.')}; what cannot be kept waits in memory"
                )
            self._disk_is_full = True
            while self._drops and len(waiting) > self._memory_limit:
                self.counts.dropped += waiting.popleft()[0].endswith(".jpg")
            self._memory.extend(waiting)

    def _run(self) -> None:
        try:
            delay = _FIRST_DELAY_S
            while self._wait_for_work():
                failure = self._send_batch(1 if self._outage else None)
                if failure is None:
                    delay = _FIRST_DELAY_S
                    continue
                with self._changed:
                    pause = delay * random.uniform(0.5, 1)  # noqa: S311 - not a secret
                    self._changed.wait_for(self._stopped, pause)
                delay = min(delay * 2, _LONGEST_DELAY_S)
        except StoreError as error:
            self._broken = error
        finally:
            with self._changed:
                self._changed.notify_all()

    def _wait_for_work(self) -> bool:
        """Whether there is something to send; False when the end is reached."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._memory or len(self._spool) or self._closing or self._stopped()
            )
            if self._stopped():
                # Whatever is still in memory must survive us.
                self._to_spool()
                return False
            return bool(self._memory or len(self._spool))

    def _send_batch(self, count: int | None) -> str | None:
        """Send what waits until nothing does or an upload fails; returns why it failed."""
        flying: deque[tuple[str, bytes | None, Future[None]]] = deque()
        failure: str | None = None
        failed: list[tuple[str, bytes]] = []
        begun = 0
        while True:
            may_begin = failure is None and (count is None or begun < count)
            while may_begin and len(flying) < self._in_flight:
                item = self._next({key for key, _, _ in flying})
                if item is None:
                    break
                key, data, spooled = item
                future = self._pool.submit(self._store.put, key, data)
                flying.append((key, None if spooled else data, future))
                begun += 1
                may_begin = count is None or begun < count
            if not flying:
                break
            key, kept, future = flying.popleft()
            reason = self._settle(key, future, spooled=kept is None)
            if reason is not None:
                failure = failure or reason
                if kept is not None:
                    failed.append((key, kept))
        self._note(failure, failed, begun)
        return failure

    def _next(self, flying: set[str]) -> tuple[str, bytes, bool] | None:
        with self._changed:
            # The marker says that all before it has arrived: it goes alone.
            if self._stopped() or any(key.endswith(".end") for key in flying):
                return None
            for entry in self._spool.oldest(len(flying) + 1):
                if entry.key in flying:
                    continue
                if entry.key.endswith(".end") and flying:
                    return None
                data = self._spool.read(entry.key)
                if data is not None:
                    return entry.key, data, True
                self._spool.remove(entry.key)
                return None
            if len(self._spool) or not self._memory:
                return None
            if self._memory[0][0].endswith(".end") and flying:
                return None
            key, data = self._memory.popleft()
            self._changed.notify_all()
            return key, data, False

    def _settle(self, key: str, future: Future[None], *, spooled: bool) -> str | None:
        """Account for an upload that has ended; returns why the bucket is out of reach."""
        refused: str | None = None
        try:
            future.result()
        except OutOfReach as error:
            return str(error)
        except Refused as error:
            refused = str(error)
        with self._changed:
            if refused is not None:
                self.counts.dropped += 1
            elif key.endswith(".jpg") and key in self._left_over:
                self.counts.recovered += 1
            elif key.endswith(".jpg"):
                self.counts.sent += 1
            if spooled and not self._spool.remove(key) and refused is None:
                self.counts.dropped -= 1  # it had to make room while it was on its way
            self._changed.notify_all()
        if refused is not None:
            self._warn(f"{key} is refused and dropped: {refused}")
        return None

    def _note(self, failure: str | None, failed: list[tuple[str, bytes]], begun: int) -> None:
        with self._changed:
            if failure is not None:
                self._to_spool(failed=failed)
                if self._outage is None:
                    self._warn(
                        f"The bucket is out of reach ({failure}); frames are kept in "
                        f"{self._spool.folder} and follow when it is back"
                    )
                self._outage = failure
            elif self._outage is not None and begun:
                self._outage = None
                self._warn(f"The bucket is back; {len(self._spool)} kept frames follow")
            self._changed.notify_all()
