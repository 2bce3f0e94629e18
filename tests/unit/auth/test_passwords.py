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
def test_a_common_password_is_refused_and_not_disclosed(password: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_new_password(password, EMAIL)
    assert not password or password not in caught.value.message


@pytest.mark.parametrize(
    "password",
    ["a heron stood in the brook", "zwölf Zeichen!", "x1yxyxyxyxyz", "\u00bd" * 3 + "z" * 9 + "ab"],
)
def test_any_other_password_only_needs_the_length(password: str) -> None:
    check_new_password(password, EMAIL)


def test_a_hash_has_owasp_s_parameters_and_its_own_salt() -> None:
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


def test_an_unknown_user_costs_as_much_as_a_wrong_password() -> None:
    assert extract_parameters(passwords._DECOY) == extract_parameters(Passwords().hash("a heron"))
