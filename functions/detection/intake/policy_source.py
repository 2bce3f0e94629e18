"""Loads the policy in force, and reads it again once a minute.

A policy that cannot be read stops nothing: the last good one goes on, and every answer says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

from functions.detection.policy import MAX_BYTES, Policy, SiteProfile, parse_policy
from hearth.errors import HearthError, InvalidInput, NotFound, TooLarge
from hearth.logging import logger

REFRESH_S: Final = 60.0
"""How long a change of the file may go unnoticed."""


class Objects(Protocol):
    def get(self, key: str, max_bytes: int) -> bytes: ...


class PolicySource:
    """The policy of one setting, read on first use and again once a minute.

    Args:
        setting: Path, `s3://bucket/key`, or empty for the profile's.
        bucket: The only bucket that this function may read.
        objects: Connects to the bucket; called on first use.
        clock: Monotonic seconds.
        entries: Camera → the entry of the policy that applies to it, where a row names one.
        profile: What applies without a policy.
    """

    def __init__(
        self,
        setting: str,
        bucket: str,
        objects: Callable[[], Objects],
        clock: Callable[[], float] = time.monotonic,
        entries: Callable[[], Mapping[str, str]] = dict,
        profile: SiteProfile = SiteProfile.HOME,
    ) -> None:
        self._profile = profile
        self._entries = entries
        self._setting = setting
        self._bucket = bucket
        self._objects = objects
        self._clock = clock
        self._read_at = 0.0
        self._data: bytes | None = None
        self._file_policy: Policy | None = None
        self._policy: Policy | None = None
        self.problem: str | None = None
        """Why the file is not in force but an earlier state of it; None while it is."""

    def current(self) -> Policy:
        """The policy in force; the last good one while the file cannot be read.

        Raises:
            InvalidInput, TooLarge: the file is not valid; the message says where.
            NotFound: the file does not exist.
            Unavailable: S3 does not answer.
        """
        now = self._clock()
        if self._policy is None or now - self._read_at >= REFRESH_S:
            self._policy = self._load().with_entries(self._entries())
            self._read_at = now
        return self._policy

    def _load(self) -> Policy:
        if not self._setting:
            return self._profile.policy()
        try:
            data = self._read()
            if self._file_policy is None or data != self._data:
                self._file_policy = parse_policy(data, f"policy {self._setting}")
                self._data = data
            self.problem = None
        except HearthError as error:
            if self._file_policy is None:
                raise
            if self.problem != error.message:
                logger.error("the policy is not taken", reason=error.message, code=error.code)
            self.problem = error.message
        return self._file_policy

    def _read(self) -> bytes:
        if not self._setting.startswith("s3://"):
            return _file(Path(self._setting))
        bucket, _, key = self._setting.removeprefix("s3://").partition("/")
        if not key:
            raise InvalidInput(f"POLICY {self._setting!r} names no key; use s3://bucket/key")
        if bucket != self._bucket:
            raise InvalidInput(
                f"POLICY {self._setting!r} lies in another bucket; put it into {self._bucket!r}"
            )
        return self._objects().get(key, MAX_BYTES)


def _file(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise TooLarge(f"policy {path} is larger than {MAX_BYTES} bytes")
        return path.read_bytes()
    except OSError as error:
        raise NotFound(f"policy {path} cannot be read: {error.strerror}") from error
