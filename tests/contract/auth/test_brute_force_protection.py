"""Brute-force protection, on SQLite and PostgreSQL."""

from __future__ import annotations

from functools import partial

import pytest

from functions.auth.audit_log import Caller
from functions.auth.schemas import LoginIn
from tests.support.auth import ADMIN, PASSWORD, Answer, Harness, run_concurrently

HOME, AWAY = "192.0.2.10", "198.51.100.7"
MINUTE = 60


def guess(harness: Harness, address: str = AWAY, email: str = ADMIN) -> Answer:
    wrong = {"email": email, "password": "not the password at all"}
    return harness.call("POST", "/login", wrong, address=address)


@pytest.mark.parametrize("email", [ADMIN, "nobody@example.org"])
def test_after_five_wrong_passwords_each_next_attempt_waits_twice_as_long(
    harness: Harness, email: str
) -> None:
    harness.set_up()
    assert [guess(harness, email=email).status for _ in range(5)] == [401] * 5
    waits = []
    for _ in range(12):
        answer = guess(harness, email=email)
        assert (answer.status, answer.code) == (429, "RATE_LIMIT_EXCEEDED")
        waits.append(int(answer.headers["retry-after"]))
        assert answer.body["error"]["details"] == [{"retry_after": waits[-1]}]
        harness.clock.advance(waits[-1])
        assert guess(harness, email=email).status == 401

    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]


def test_the_right_password_waits_as_well_and_then_resets_the_counter(harness: Harness) -> None:
    harness.set_up()
    for _ in range(6):
        guess(harness)
    right = {"email": ADMIN, "password": PASSWORD}
    assert harness.call("POST", "/login", right, address=AWAY).status == 429
    harness.clock.advance(1)

    harness.log_in(address=AWAY)

    assert [guess(harness).status for _ in range(5)] == [401] * 5


def test_a_clock_that_is_set_back_locks_nobody_out(harness: Harness) -> None:
    harness.set_up()
    for _ in range(6):
        guess(harness)
    harness.clock.advance(-86_400)

    assert guess(harness).status == 401
    assert int(guess(harness).headers["retry-after"]) <= 2


def test_counters_survive_a_restart(harness: Harness) -> None:
    harness.set_up()
    for _ in range(5):
        guess(harness)

    assert guess(Harness(harness.db, harness.clock)).status == 429


def test_an_attacker_elsewhere_cannot_lock_the_owner_out(harness: Harness) -> None:
    harness.set_up()
    harness.log_in(address=HOME)
    for number in range(60):
        guess(harness, f"198.51.100.{number}")
    assert guess(harness, "198.51.100.200").status == 429

    harness.log_in(address=HOME)
    harness.clock.advance(MINUTE)
    harness.log_in(address="203.0.113.1")


def test_an_address_that_tries_many_accounts_is_slowed_down_alone(
    harness: Harness,
) -> None:
    harness.set_up()
    for number in range(20):
        assert guess(harness, email=f"u{number}@example.org").status == 401

    assert guess(harness, email="another@example.org").status == 429
    harness.log_in(address=HOME)


def test_a_log_in_to_an_own_account_does_not_reset_the_address(harness: Harness) -> None:
    harness.set_up()
    tried = 0
    for number in range(40):
        if guess(harness, email=f"u{number}@example.org").status == 401:
            tried += 1
        harness.call("POST", "/login", {"email": ADMIN, "password": PASSWORD}, address=AWAY)

    assert tried == 20


def test_a_network_of_ipv6_is_one_address(harness: Harness) -> None:
    harness.set_up()
    for number in range(20):
        guess(harness, f"2001:db8:0:1::{number:x}", f"u{number}@example.org")

    assert guess(harness, "2001:db8:0:1:ffff::1").status == 429
    assert guess(harness, "2001:db8:0:2::1").status == 401


def test_concurrent_guesses_are_all_counted(harness: Harness) -> None:
    harness.set_up()
    given = LoginIn(email=ADMIN, password="not the password at all")
    call = partial(harness.services.auth.login, Caller(None, AWAY), given)

    statuses = [answer.status for answer in run_concurrently(*[call] * 12)]

    assert statuses.count(401) == 5
    assert statuses.count(429) == 7


def test_failures_expire_after_a_day(harness: Harness) -> None:
    harness.set_up()
    for _ in range(5):
        guess(harness)
    harness.clock.advance(24 * 3600)

    assert [guess(harness).status for _ in range(5)] == [401] * 5


def test_invitations_and_setup_tokens_are_protected_as_well(harness: Harness) -> None:
    def register() -> int:
        wanted = {"email": ADMIN, "password": PASSWORD, "setup_token": "a guess of the token"}
        return harness.call("POST", "/register", wanted, address=AWAY).status

    assert [register() for _ in range(21)] == [403] * 20 + [429]
    harness.set_up()


def test_the_current_password_is_protected_against_a_stolen_token(harness: Harness) -> None:
    token = harness.administrator()
    given = {"current_password": "not it at all", "new_password": "two herons in the brook"}

    statuses = [harness.call("POST", "/password", given, token=token).status for _ in range(6)]

    assert statuses == [403] * 5 + [429]


def test_expired_rows_are_deleted_at_log_ins_in_small_batches(harness: Harness) -> None:
    harness.set_up()
    for number in range(60):
        guess(harness, f"198.51.100.{number}", f"u{number}@example.org")
    harness.clock.advance(40 * 24 * 3600)

    def left() -> int:
        query = "SELECT count(*) FROM auth_attempts"
        return int(harness.db.read(lambda tx: tx.exec_driver_sql(query).scalar_one()))

    before = left()
    harness.log_in()
    assert before - left() in range(40, 51)
    for _ in range(4):
        harness.log_in()
    assert left() <= 4  # this address and account
