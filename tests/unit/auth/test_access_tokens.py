"""No text makes the verifier do anything but refuse it."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.auth.access_tokens import AccessTokens
from functions.auth.keyring import Keyring, SigningKey
from hearth.errors import Unauthenticated

SECRET = b"s" * 32


class OneKey(Keyring):
    """A keyring of one key, without a database."""

    def __init__(self) -> None:
        pass

    def verifier(self, kid: str) -> SigningKey | None:
        return SigningKey(kid, SECRET) if kid == "k" else None


TOKENS = AccessTokens(OneKey())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@given(st.text())
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(Unauthenticated):
        TOKENS.verify(text)


@given(JSON, JSON, st.binary())
def test_any_header_and_body_are_refused(header: Any, body: Any, signature: bytes) -> None:
    end = base64.urlsafe_b64encode(signature).decode().rstrip("=")
    with pytest.raises(Unauthenticated):
        TOKENS.verify(f"{part(header)}.{part(body)}.{end}")


@given(
    st.dictionaries(st.sampled_from(["iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp"]), JSON)
)
def test_claims_of_any_type_are_refused_though_they_are_signed(claims: dict[str, Any]) -> None:
    signed = jwt.PyJWS().encode(json.dumps(claims).encode(), SECRET, "HS256", headers={"kid": "k"})
    with pytest.raises(Unauthenticated):
        TOKENS.verify(signed)


@pytest.mark.parametrize("depth", [100, 700, 1500])
def test_a_deep_header_is_refused(depth: int) -> None:
    header = base64.urlsafe_b64encode(b"[" * depth + b"]" * depth).decode().rstrip("=")
    with pytest.raises(Unauthenticated):
        TOKENS.verify(f"{header}.e30.a")
