from __future__ import annotations

import pytest
from argon2 import Type, extract_parameters

from functions.auth import passwords
from functions.auth.passwords import Passwords, check_new_password
from hearth.errors import InvalidInput

EMAIL = "ada.lovelace@example.org"


@pytest.mark.parametrize(
    "password",
    [
        "",
        "elevenchars",
        "a" * 12,
        "abcabcabcabc",
        "123456" * 3,
        "Password1234",
        "QWERTYuiop123",
        "Correct Horse Battery Staple",
        "correct horse battery staple",
        "ada.lovelace",
        "Ada.Lovelace@Example.org",
        "x1" + "y" * 127,
        "\ufdfa" * 12,  # eighteen characters each once normalized
    ],
)
def test_a_password_that_is_tried_first_is_refused_and_not_told(password: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_new_password(password, EMAIL)
    assert not password or password not in caught.value.message


@pytest.mark.parametrize(
    "password",
    ["a heron stood in the brook", "zwölf Zeichen!", "x1yxyxyxyxyz", "\u00bd" * 3 + "z" * 9 + "ab"],
)
def test_length_is_all_that_is_asked_besides(password: str) -> None:
    check_new_password(password, EMAIL)


def test_a_hash_has_owasp_s_parameters_and_a_salt_of_its_own() -> None:
    one, other = Passwords().hash("a heron"), Passwords().hash("a heron")

    parameters = extract_parameters(one)
    assert parameters.type is Type.ID
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (19456, 2, 1)
    assert one != other
    assert not Passwords().is_outdated(one)


def test_a_password_is_verified_and_another_is_not() -> None:
    kept = Passwords().hash("a heron")

    assert Passwords().verify(kept, "a heron")
    assert not Passwords().verify(kept, "a Heron")
    assert not Passwords().verify(None, "a heron")


def test_the_decoy_costs_what_a_kept_password_costs() -> None:
    assert extract_parameters(passwords._DECOY) == extract_parameters(Passwords().hash("a heron"))
