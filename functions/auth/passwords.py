"""Passwords: which are acceptable, and how they are hashed.

Rules: NIST SP 800-63B, 5.1.1.2: a length and a list of the commonest, nothing about the mixture of
characters. Hash: argon2id with the parameters of OWASP's password storage cheat sheet (19 MiB, two
passes, one lane): some 20 ms, and far inside a Lambda's 512 MB.
"""

from __future__ import annotations

import re
import unicodedata
from base64 import b64encode
from functools import cached_property
from typing import TYPE_CHECKING

from hearth.errors import InvalidInput

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MIN_LENGTH = 12
MAX_LENGTH = 128
TIME_COST = 2
MEMORY_KIB = 19 * 1024
PARALLELISM = 1
_SALT_BYTES = 16
_HASH_BYTES = 32

# The most common leaked passwords that are long enough, in lower case.
_MOST_COMMON = """
    123456789012 1234567890123 123456789123 1234567891011 123123123123 12345678910 qwertyuiop12
    qwertyuiop123 qwertyuiop[] 1q2w3e4r5t6y 1qaz2wsx3edc 1qaz2wsx3edc4rfv qazwsxedcrfv
    zaq12wsxcde3 asdfghjkl123 qwerty123456 qwerty1234567 123456qwerty qwertyqwerty
    q1w2e3r4t5y6 abcdefghijkl abcdefghijklm abcdefg12345 abc123456789 a1b2c3d4e5f6 password1234
    password12345 password123456 passwordpassword passw0rd1234 p@ssw0rd1234 p@ssword1234
    mypassword123 mypassword12 iloveyou1234 iloveyou12345 iloveyouforever welcome12345
    welcome123456 letmein12345 administrator administrator1 administrator123 admin1234567
    adminadminadmin changemechangeme changeme1234 changeme12345 trustno1trustno1 unbelievable
    footballfootball princess1234 sunshine1234 superman1234 monkey123456 dragon123456
    michael12345 charlie12345 correcthorsebatterystaple
    hearthhearth hearth123456 hearthpassword
"""
_REPEATED = re.compile(r"(.{1,6}?)\1+", re.DOTALL)
"""One to six characters repeated: aaaaaaaaaaaa, 123412341234."""


def check_new_password(password: str, email: str) -> None:
    """Check that a password is not easily guessed; no message contains it.

    Raises:
        InvalidInput: The password is too short, too long, very common, or the e-mail address.
    """
    password = _normalized(password)
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise InvalidInput(
            f"the password has {len(password)} characters; "
            f"choose one with {MIN_LENGTH} to {MAX_LENGTH}"
        )
    lower = password.lower()
    if lower.replace(" ", "") in _MOST_COMMON.split() or _REPEATED.fullmatch(lower):
        raise InvalidInput("the password is among the first that are guessed; choose another")
    if lower in (email.lower(), email.lower().partition("@")[0]):
        raise InvalidInput("the password is the e-mail address; choose another")


class Passwords:
    """Hashes and verifies passwords; argon2 is imported on first use."""

    def hash(self, password: str) -> str:
        """Return the hash with its salt and parameters."""
        return self._hasher.hash(_normalized(password))

    def verify(self, stored: str | None, password: str) -> bool:
        """Whether `password` has the stored hash.

        None (the user does not exist) takes as long as a wrong password, and is false.
        """
        from argon2.exceptions import VerifyMismatchError

        try:
            self._hasher.verify(stored or _DECOY, _normalized(password))
        except VerifyMismatchError:
            return False
        return stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether a hash was made with other parameters than a new one."""
        return self._hasher.check_needs_rehash(stored)

    @cached_property
    def _hasher(self) -> PasswordHasher:
        from argon2 import PasswordHasher

        return PasswordHasher(
            TIME_COST, MEMORY_KIB, PARALLELISM, hash_len=_HASH_BYTES, salt_len=_SALT_BYTES
        )


def _normalized(password: str) -> str:
    """Normalize Unicode, whatever a keyboard composes (NIST SP 800-63B: NFKC or NFKD)."""
    return unicodedata.normalize("NFKC", password)


def _unpadded(size: int) -> str:
    return b64encode(bytes(size)).decode().rstrip("=")


# A hash that no password has, with the form and cost of any other.
_DECOY = (
    f"$argon2id$v=19$m={MEMORY_KIB},t={TIME_COST},p={PARALLELISM}"
    f"${_unpadded(_SALT_BYTES)}${_unpadded(_HASH_BYTES)}"
)
