"""Limits on guessing: each failure makes the next attempt wait longer, and none waits for ever.

Three things are counted, in the database, so that a restart forgets nothing:

- an account from one address (5 free, then 1 s, 2 s, 4 s … 15 min),
- an address, whatever the account (20 free, then the same): one that tries many accounts,
- an account, from wherever (30 free, then 1 s … 1 min): many addresses that try one account. That
  does not count for an address from which the account has logged in within 90 days: whoever attacks
  an account from elsewhere cannot keep its owner out at home, and nobody for more than a minute.

An attempt is counted before it is made and taken back when it succeeds; so a hundred at once are
not one. An account that does not exist is counted like any other.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

from functions.auth.repository.attempts import (
    AT_ONCE,
    Attempts,
    forget_attempts,
    hold_attempts,
    known_subjects,
    save_attempts,
)
from hearth.errors import RateLimited
from hearth.ids import utc_now

if TYPE_CHECKING:
    from sqlalchemy import Connection

FORGOTTEN_AFTER = timedelta(days=1)
KNOWN_FOR = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Rule:
    """So many attempts at no cost; then a second, doubled each time, up to `longest`."""

    free: int
    longest: timedelta

    def pause(self, failures: int) -> timedelta:
        """How long after the last of `failures` in a row the next attempt has to wait."""
        if failures < self.free:
            return timedelta(0)
        # No larger power than needed: 2 ** 10_000 would be no timedelta.
        return min(self.longest, timedelta(seconds=2 ** min(failures - self.free, 20)))


ACCOUNT_FROM_ADDRESS = Rule(5, timedelta(minutes=15))
ADDRESS = Rule(20, timedelta(minutes=15))
ACCOUNT = Rule(30, timedelta(minutes=1))


class TooManyAttempts(RateLimited):
    """Allowed again after `retry_after_s` seconds."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(
            f"too many attempts; try again in {retry_after_s} s",
            details=[{"retry_after": retry_after_s}],
        )
        self.retry_after_s = retry_after_s


class Limits:
    """Counts attempts. Every method takes the caller's transaction."""

    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        self._now = now

    def begin(self, tx: Connection, address: str, account: str | None = None) -> None:
        """Count an attempt before it is made.

        Args:
            tx: Transaction.
            address: Where it comes from.
            account: What it is aimed at, if one: an e-mail address.

        Raises:
            TooManyAttempts: It has to wait, and is not counted.
        """
        now, address = self._now(), network_of(address)
        rules = self._rules(tx, address, account, now)
        held = [(hold_attempts(tx, subject, now), rules[subject]) for subject in sorted(rules)]
        wait = max((row.retry_at - now for row, _ in held), default=timedelta(0))
        if wait > timedelta(0):
            raise TooManyAttempts(math.ceil(wait / timedelta(seconds=1)))
        for row, rule in held:
            failures = 1 + (row.failures if row.expires_at > now else 0)
            pause = rule.pause(failures)
            retry_at = now + pause if pause else AT_ONCE
            save_attempts(tx, Attempts(row.subject, failures, retry_at, now + FORGOTTEN_AFTER))

    def succeed(self, tx: Connection, address: str, account: str | None = None) -> None:
        """The attempt that was begun is none to guard against."""
        now, address = self._now(), network_of(address)
        rules = self._rules(tx, address, account, now)
        for subject in sorted(rules):
            if rules[subject] is ACCOUNT_FROM_ADDRESS:
                forget_attempts(tx, subject)
                continue
            # One less, not none: else an account of one's own would wash an address clean.
            row = hold_attempts(tx, subject, now)
            save_attempts(tx, replace(row, failures=max(0, row.failures - 1), retry_at=AT_ONCE))
        if account is not None:
            known = hold_attempts(tx, _subject("known", account, address), now)
            save_attempts(tx, replace(known, expires_at=now + KNOWN_FOR))

    def _rules(
        self, tx: Connection, address: str, account: str | None, now: datetime
    ) -> dict[str, Rule]:
        rules = {_subject("address", address): ADDRESS}
        if account is not None:
            rules[_subject("account from address", account, address)] = ACCOUNT_FROM_ADDRESS
            if not known_subjects(tx, [_subject("known", account, address)], now):
                rules[_subject("account", account)] = ACCOUNT
        return rules


def network_of(address: str) -> str:
    """What counts as one address: an IPv6 subscriber has a /64 of them. Else the text itself."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return str(ip_network((parsed, 64), strict=False))
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


def _subject(kind: str, *parts: str) -> str:
    """A digest: somebody may have typed a password where the e-mail address belongs."""
    return hashlib.sha256("\0".join((kind, *parts)).encode()).hexdigest()
