"""What ends a backup or a restore."""

from __future__ import annotations


class BackupError(Exception):
    """One sentence on what is wrong, one on the remedy."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


def damaged(why: str) -> BackupError:
    """The archive is not what was written."""
    return BackupError(
        f"The archive is damaged: {why}.", "Take another copy of it; nothing was changed."
    )
