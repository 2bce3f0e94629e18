"""Who owns the machine: whoever shows its secret; on loopback everybody, while there are no users.

Whoever may run programs here owns what the stack keeps here. But an address alone does not show
that: a reverse proxy on this machine passes requests of strangers on from 127.0.0.1.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from .loopback import is_loopback
from .proxies import Client, is_forwarded

KEY_FILE = "owner.key"
_PREFIX = "hearth_owner_"


def make_owner_key(data: Path) -> str:
    """The secret of a data folder, which is made at the first start: a file for its owner alone.

    Raises:
        OSError: The file cannot be read or written.
    """
    path = data / KEY_FILE
    if (key := read_owner_key(data)) is None:
        key = f"{_PREFIX}{secrets.token_urlsafe(32)}"
        temporary = path.with_name(f"{KEY_FILE}.tmp")
        temporary.unlink(missing_ok=True)
        with os.fdopen(
            os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w"
        ) as file:
            file.write(f"{key}\n")
        temporary.replace(path)
    elif path.stat().st_mode & 0o077:
        path.chmod(0o600)
    return key


def read_owner_key(data: Path) -> str | None:
    """The secret of a data folder; None where there is none that this user may read."""
    try:
        key = (data / KEY_FILE).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return key if key.startswith(_PREFIX) and len(key) > len(_PREFIX) else None


class Owner:
    """Recognizes requests of the machine's owner.

    Args:
        key: The machine's secret; "" where none counts.
        needs_key: Whether an address is never enough: a set-up token or proxies were given.
        has_users: Tells whether a user has registered; None where the template has no users. It
            is asked until it says yes, and again after `forget`.
    """

    def __init__(
        self,
        key: str = "",
        *,
        needs_key: bool = False,
        has_users: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self._key = key.encode()
        self._needs_key = needs_key
        self._has_users = has_users
        self._known: bool | None = None
        self._forgotten = 0

    def shows_key(self, client: Client, headers: Mapping[str, str]) -> bool:
        """Whether a program of this machine shows the secret."""
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        is_key = scheme.lower() == "bearer" and secrets.compare_digest(
            token.strip().encode("utf-8", "surrogateescape"), self._key
        )
        is_of_this_machine = is_loopback(client.address) and not is_forwarded(headers)
        return bool(self._key) and is_key and is_of_this_machine

    async def is_anybody(self) -> bool:
        """Whether whoever comes over loopback is the owner, whatever they show."""
        if self._needs_key:
            return False
        if self._has_users is None:
            return True
        if self._known is None:
            forgotten = self._forgotten
            has_users = await self._has_users()
            if not has_users and forgotten != self._forgotten:
                return False  # somebody may have registered meanwhile
            self._known = has_users
        return not self._known

    @property
    def takes_any_key(self) -> bool:
        """Whether a key that somebody shows means nothing while `is_anybody` holds: there are no
        keys without users."""
        return self._has_users is not None

    def forget(self) -> None:
        """Ask again for users: one may have registered. Who has them keeps them."""
        self._forgotten += 1
        if self._known is False:
            self._known = None
