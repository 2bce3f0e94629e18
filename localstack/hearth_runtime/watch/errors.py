"""What can go wrong between a camera and the bucket.

WatchError
├── SourceError     the source cannot be read, and trying again would not help
│   └── AccessRefused   it wants another user name or password
├── SourceLost      a live source went away: the watcher connects again
└── StoreError      the bucket refuses what we send, or is not there
"""

from __future__ import annotations


class WatchError(Exception):
    """Base of the tree: one sentence on what is wrong, and one on the remedy."""

    def __init__(self, message: str, remedy: str = "") -> None:
        # A camera's answer may be quoted in it, and a terminal obeys control characters.
        message = "".join(c if c.isprintable() else " " for c in message)
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class SourceError(WatchError):
    """The source cannot be read, and trying again would not help."""


class AccessRefused(SourceError):
    """The camera wants another password; one that is asked too often locks the account."""


class SourceLost(WatchError):
    """A live source ended, stalled or cannot be reached now."""


class StoreError(WatchError):
    """The bucket refuses what we send, or is not there."""
