"""Brute-force protection: each failure makes the next attempt wait longer, up to a limit.

Three counters are kept in the database, so that they survive a restart:

- an account from one address (5 free, then 1 s, 2 s, 4 s … 15 min),
- an address, whatever the account (20 free, then the same): one that tries many accounts,
- an account, from any address (30 free, then 1 s … 1 min): many addresses that try one account. It
  does not apply to an address from which the account has logged in within 90 days: an attacker
  elsewhere cannot lock the owner out at home, and nobody for more than a minute.

An attempt is counted before it is made and uncounted when it succeeds, so that concurrent attempts
are all counted. An account that does not exist is counted like any other.
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
    NO_WAIT,
    Attempts,
    delete_attempts,
    lock_attempts,
    save_attempts,
    unexpired_subjects,
)
from hearth.errors import RateLimited
from hearth.ids import utc_now

if TYPE_CHECKING:
    from sqlalchemy import Connection

FAILURES_EXPIRE_AFTER = timedelta(days=1)
KNOWN_FOR = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Rule:
    """Allows `free` attempts without a pause; then one second, doubled up to `longest`."""

    free: int
    longest: timedelta

    def pause(self, failures: int) -> timedelta:
        """Return the pause after `failures` in a row."""
        if failures < self.free:
            return timedelta(0)
        # The exponent is limited, because 2 ** 10_000 seconds do not fit into a timedelta.
        return min(self.longest, timedelta(seconds=2 ** min(failures - self.free, 20)))


ACCOUNT_FROM_ADDRESS = Rule(5, timedelta(minutes=15))
ADDRESS = Rule(20, timedelta(minutes=15))
ACCOUNT = Rule(30, timedelta(minutes=1))


class TooManyAttempts(RateLimited):
    """Too many failed attempts; allowed again after `retry_after_s` seconds."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(
            f"too many attempts; retry after {retry_after_s} s",
            details=[{"retry_after": retry_after_s}],
        )
        self.retry_after_s = retry_after_s


class AttemptLimits:
    """Counts failed attempts, in the caller's transaction."""

    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        self._now = now

    def count_attempt(self, tx: Connection, address: str, account: str | None = None) -> None:
        """Count an attempt before it is made.

        Args:
            address: The source address.
            account: The e-mail address of the attacked account, if there is one.

        Raises:
            TooManyAttempts: The attempt came too early; it is not counted.
        """
        now, address = self._now(), network_of(address)
        rules = self._rules(tx, address, account, now)
        held = [(lock_attempts(tx, subject, now), rules[subject]) for subject in sorted(rules)]
        # A longer wait than any pause was set before the clock was set back.
        waits = [row.retry_at - now for row, rule in held if row.retry_at - now <= rule.longest]
        wait = max(waits, default=timedelta(0))
        if wait > timedelta(0):
            raise TooManyAttempts(math.ceil(wait / timedelta(seconds=1)))
        for row, rule in held:
            failures = 1 + (row.failures if row.expires_at > now else 0)
            pause = rule.pause(failures)
            retry_at = now + pause if pause else NO_WAIT
            save_attempts(
                tx, Attempts(row.subject, failures, retry_at, now + FAILURES_EXPIRE_AFTER)
            )

    def record_success(self, tx: Connection, address: str, account: str | None = None) -> None:
        """Uncount an attempt that succeeded."""
        now, address = self._now(), network_of(address)
        rules = self._rules(tx, address, account, now)
        for subject in sorted(rules):
            if rules[subject] is ACCOUNT_FROM_ADDRESS:
                delete_attempts(tx, subject)
                continue
            # Only this attempt: a log-in to an own account must not reset the address's counter.
            row = lock_attempts(tx, subject, now)
            save_attempts(tx, replace(row, failures=max(0, row.failures - 1), retry_at=NO_WAIT))
        if account is not None:
            known = lock_attempts(tx, _subject("known", account, address), now)
            save_attempts(tx, replace(known, expires_at=now + KNOWN_FOR))

    def _rules(
        self, tx: Connection, address: str, account: str | None, now: datetime
    ) -> dict[str, Rule]:
        rules = {_subject("address", address): ADDRESS}
        if account is not None:
            rules[_subject("account from address", account, address)] = ACCOUNT_FROM_ADDRESS
            if not unexpired_subjects(tx, [_subject("known", account, address)], now):
                rules[_subject("account", account)] = ACCOUNT
        return rules


def network_of(address: str) -> str:
    """Return the /64 network of an IPv6 address, which one subscriber has, else the address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return str(ip_network((parsed, 64), strict=False))
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


def _subject(kind: str, *parts: str) -> str:
    """Return a digest, because somebody may have typed a password instead of an e-mail address."""
    return hashlib.sha256("\0".join((kind, *parts)).encode()).hexdigest()
