"""Secrets that are shown once: API keys, refresh tokens, invitations.

    hk_01KAJQ6T1M5W8Y2Z3X4V5B6N7M_3pEYcE…43 characters…aB2xYz
    └ kind  └ id (ULID), to find the row  └ 256 random bits     └ CRC-32, in base 62 as the rest

The prefix lets a scanner find a key that was published; the checksum tells a typing error from a
key without a look-up in the database. GitHub's tokens have the same format:
https://github.blog/2021-04-05-behind-githubs-new-authentication-token-formats/

The SHA-256 of the whole text is stored. A slow hash, as for passwords, protects against guessing,
which is infeasible for 256 random bits.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import zlib
from dataclasses import dataclass
from typing import Literal

from hearth.ids import ULID_PATTERN, new_ulid

Kind = Literal["hk", "hr", "hi"]
"""API key, refresh token, invitation."""

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_BYTES = 32
_SECRET_WIDTH = 43  # 62 ** 43 > 2 ** 256
_CHECKSUM_WIDTH = 6  # 62 ** 6 > 2 ** 32
_SHAPE = re.compile(
    rf"(?P<body>(?P<kind>h[kri])_(?P<id>{ULID_PATTERN})_[0-9A-Za-z]{{43}})"
    r"(?P<checksum>[0-9A-Za-z]{6})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class SecretText:
    """A secret as its holder has it; `id` finds the row, which stores the `digest`."""

    id: str
    text: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    def matches(self, digest: str) -> bool:
        """Whether `digest` is that of this secret, compared in constant time."""
        return hmac.compare_digest(self.digest, digest)

    def __repr__(self) -> str:
        return f"SecretText(id={self.id!r})"


def new_secret(kind: Kind, secret_id: str | None = None) -> SecretText:
    """Create a random secret, for a new row or for the row with the given id."""
    secret_id = secret_id or new_ulid()
    number = int.from_bytes(secrets.token_bytes(_SECRET_BYTES), "big")
    body = f"{kind}_{secret_id}_{_base62(number, _SECRET_WIDTH)}"
    return SecretText(secret_id, body + _checksum(body))


def read_secret(kind: Kind, text: str) -> SecretText | None:
    """Parse a secret; None when it is of another kind, truncated or mistyped."""
    match = _SHAPE.fullmatch(text)
    if match is None or match["kind"] != kind or match["checksum"] != _checksum(match["body"]):
        return None
    return SecretText(match["id"], text)


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECKSUM_WIDTH)


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
