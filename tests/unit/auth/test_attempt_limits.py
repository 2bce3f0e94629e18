from __future__ import annotations

from datetime import timedelta

import pytest

from functions.auth.attempt_limits import Rule, network_of


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(0, 0), (4, 0), (5, 1), (6, 2), (8, 8), (11, 60), (12, 60), (10_000, 60)],
)
def test_each_failure_after_the_free_ones_doubles_the_pause_up_to_the_limit(
    failures: int, seconds: int
) -> None:
    assert Rule(5, timedelta(minutes=1)).pause(failures) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("", ""),
        ("192.0.2.10", "192.0.2.10"),
        ("::ffff:192.0.2.10", "192.0.2.10"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8:0:0:ffff::1", "2001:db8::/64"),
        ("no address", "no address"),
    ],
)
def test_an_ipv6_network_counts_as_one_address(address: str, network: str) -> None:
    assert network_of(address) == network
