"""Limits on guessing, on SQLite and PostgreSQL: they survive restarts and lock nobody out."""

from __future__ import annotations

from functools import partial

import pytest

from functions.auth.journal import Caller
from functions.auth.schemas import LoginIn
from tests.support.auth import ADMIN, PASSWORD, Answer, Porter, at_once

HOME, AWAY = "192.0.2.10", "198.51.100.7"
MINUTE = 60


def guess(porter: Porter, address: str = AWAY, email: str = ADMIN) -> Answer:
    wrong = {"email": email, "password": "not the password at all"}
    return porter.call("POST", "/login", wrong, address=address)


@pytest.mark.parametrize("email", [ADMIN, "nobody@example.org"])
def test_after_five_wrong_passwords_each_next_attempt_waits_twice_as_long(
    porter: Porter, email: str
) -> None:
    porter.set_up()
    assert [guess(porter, email=email).status for _ in range(5)] == [401] * 5
    waits = []
    for _ in range(12):
        answer = guess(porter, email=email)
        assert (answer.status, answer.code) == (429, "RATE_LIMIT_EXCEEDED")
        waits.append(int(answer.headers["retry-after"]))
        assert answer.body["error"]["details"] == [{"retry_after": waits[-1]}]
        porter.clock.advance(waits[-1])
        assert guess(porter, email=email).status == 401

    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]


def test_the_right_password_waits_as_well_and_then_clears_the_account(porter: Porter) -> None:
    porter.set_up()
    for _ in range(6):
        guess(porter)
    right = {"email": ADMIN, "password": PASSWORD}
    assert porter.call("POST", "/login", right, address=AWAY).status == 429
    porter.clock.advance(1)

    porter.log_in(address=AWAY)

    assert [guess(porter).status for _ in range(5)] == [401] * 5


def test_limits_survive_a_restart(porter: Porter) -> None:
    porter.set_up()
    for _ in range(5):
        guess(porter)

    assert guess(Porter(porter.db, porter.clock)).status == 429


def test_whoever_guesses_from_elsewhere_does_not_lock_the_owner_out(porter: Porter) -> None:
    porter.set_up()
    porter.log_in(address=HOME)
    for number in range(60):
        guess(porter, f"198.51.100.{number}")
    assert guess(porter, "198.51.100.200").status == 429

    porter.log_in(address=HOME)
    porter.clock.advance(MINUTE)
    porter.log_in(address="203.0.113.1")


def test_an_address_that_tries_many_accounts_is_slowed_down_and_others_are_not(
    porter: Porter,
) -> None:
    porter.set_up()
    for number in range(20):
        assert guess(porter, email=f"u{number}@example.org").status == 401

    assert guess(porter, email="another@example.org").status == 429
    porter.log_in(address=HOME)


def test_an_account_of_one_s_own_does_not_wash_an_address_clean(porter: Porter) -> None:
    porter.set_up()
    tried = 0
    for number in range(40):
        if guess(porter, email=f"u{number}@example.org").status == 401:
            tried += 1
        porter.call("POST", "/login", {"email": ADMIN, "password": PASSWORD}, address=AWAY)

    assert tried == 20


def test_a_network_of_ipv6_is_one_address(porter: Porter) -> None:
    porter.set_up()
    for number in range(20):
        guess(porter, f"2001:db8:0:1::{number:x}", f"u{number}@example.org")

    assert guess(porter, "2001:db8:0:1:ffff::1").status == 429
    assert guess(porter, "2001:db8:0:2::1").status == 401


def test_a_hundred_guesses_at_once_are_a_hundred(porter: Porter) -> None:
    porter.set_up()
    given = LoginIn(email=ADMIN, password="not the password at all")
    call = partial(porter.services.auth.login, Caller(None, AWAY), given)

    statuses = [answer.status for answer in at_once(*[call] * 12)]

    assert statuses.count(401) == 5
    assert statuses.count(429) == 7


def test_failures_are_forgotten_after_a_day(porter: Porter) -> None:
    porter.set_up()
    for _ in range(5):
        guess(porter)
    porter.clock.advance(24 * 3600)

    assert [guess(porter).status for _ in range(5)] == [401] * 5


def test_codes_and_setup_tokens_cannot_be_guessed_either(porter: Porter) -> None:
    def register() -> int:
        wanted = {"email": ADMIN, "password": PASSWORD, "setup_token": "a guess of the token"}
        return porter.call("POST", "/register", wanted, address=AWAY).status

    assert [register() for _ in range(21)] == [403] * 20 + [429]
    porter.set_up()


def test_the_current_password_cannot_be_guessed_with_a_stolen_token(porter: Porter) -> None:
    token = porter.administrator()
    given = {"current_password": "not it at all", "new_password": "two herons in the brook"}

    statuses = [porter.call("POST", "/password", given, token=token).status for _ in range(6)]

    assert statuses == [403] * 5 + [429]


def test_what_has_expired_is_pruned_at_log_ins_a_little_at_a_time(porter: Porter) -> None:
    porter.set_up()
    for number in range(60):
        guess(porter, f"198.51.100.{number}", f"u{number}@example.org")
    porter.clock.advance(40 * 24 * 3600)

    def left() -> int:
        query = "SELECT count(*) FROM auth_attempts"
        return int(porter.db.read(lambda tx: tx.exec_driver_sql(query).scalar_one()))

    before = left()
    porter.log_in()
    assert before - left() in range(40, 51)
    for _ in range(4):
        porter.log_in()
    assert left() <= 4  # this address and account
