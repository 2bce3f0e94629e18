"""Whose a request is: the client behind proxies, and the owner of the machine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from multidict import CIMultiDict

from hearth_runtime.http.owner import KEY_FILE, Owner, make_owner_key, read_owner_key
from hearth_runtime.http.proxies import Client, client_of, parse_networks, plain_address
from hearth_runtime.stack_state import SetupError

TRUSTED = parse_networks(["127.0.0.1,172.16.0.0/12", "fd00::/8"])
KEY = "hearth_owner_secret"


@pytest.mark.parametrize(
    ("remote", "headers", "client"),
    [
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", [("X-Forwarded-For", "203.0.113.7")], "203.0.113.7"),
        ("127.0.0.1", [("X-Forwarded-For", "6.6.6.6, 203.0.113.7")], "203.0.113.7"),
        ("127.0.0.1", [("X-Forwarded-For", "203.0.113.7, 172.20.0.3")], "203.0.113.7"),
        ("127.0.0.1", [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "1.2.3.4")], "1.2.3.4"),
        ("127.0.0.1", [("X-Forwarded-For", "203.0.113.7:4711")], "203.0.113.7"),
        ("127.0.0.1", [("X-Forwarded-For", "2001:db8::7")], "2001:db8::7"),
        ("127.0.0.1", [("X-Forwarded-For", "[2001:db8::7]:4711")], "2001:db8::7"),
        ("::ffff:127.0.0.1", [("X-Forwarded-For", "203.0.113.7")], "203.0.113.7"),
        ("fd00::2", [("X-Forwarded-For", "::ffff:203.0.113.7")], "203.0.113.7"),
        # All of them trusted: it is the first.
        ("127.0.0.1", [("X-Forwarded-For", "172.20.0.9, 172.20.0.3")], "172.20.0.9"),
        # What is no address ends the chain at whoever passed it on.
        ("127.0.0.1", [("X-Forwarded-For", "203.0.113.7, unknown")], "127.0.0.1"),
        ("127.0.0.1", [("X-Forwarded-For", "203.0.113.7, 1.2.3, 172.20.0.3")], "172.20.0.3"),
        ("127.0.0.1", [("X-Forwarded-For", "")], "127.0.0.1"),
        ("127.0.0.1", [("Forwarded", "for=203.0.113.7;proto=https;by=10.0.0.1")], "203.0.113.7"),
        ("127.0.0.1", [("Forwarded", 'For="[2001:db8::7]:4711"')], "2001:db8::7"),
        ("127.0.0.1", [("Forwarded", "for=6.6.6.6, for=203.0.113.7")], "203.0.113.7"),
        ("127.0.0.1", [("Forwarded", "for=_hidden")], "127.0.0.1"),
        # nginx passes the client's own `Forwarded` on beside its X-Forwarded-For.
        ("127.0.0.1", [("Forwarded", "for=6.6.6.6"), ("X-Forwarded-For", "1.2.3.4")], "1.2.3.4"),
        # Nobody else's word counts.
        ("203.0.113.9", [("X-Forwarded-For", "127.0.0.1")], "203.0.113.9"),
        ("127.0.0.1", [("X-Real-IP", "6.6.6.6")], "127.0.0.1"),
        ("", [("X-Forwarded-For", "6.6.6.6")], ""),
    ],
)  # fmt: skip
def test_the_client_is_the_first_address_that_is_no_trusted_proxy(
    remote: str, headers: list[tuple[str, str]], client: str
) -> None:
    found = client_of(remote, CIMultiDict(headers), http_1_0=False, trusted=TRUSTED)
    assert found.address == client
    assert client_of(remote, CIMultiDict(headers), http_1_0=False, trusted=()).address == (
        plain_address(remote)
    )


def test_the_scheme_is_a_trusted_proxys_word() -> None:
    headers = CIMultiDict({"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "HTTPS"})
    assert client_of("127.0.0.1", headers, http_1_0=False, trusted=TRUSTED).scheme == "https"
    assert client_of("203.0.113.9", headers, http_1_0=False, trusted=TRUSTED).scheme is None
    headers["X-Forwarded-Proto"] = "gopher"
    assert client_of("127.0.0.1", headers, http_1_0=False, trusted=TRUSTED).scheme is None


@pytest.mark.parametrize(
    ("name", "http_1_0", "direct"),
    [
        ("User-Agent", False, True),
        ("User-Agent", True, False),
        ("X-Forwarded-For", False, False),
        ("x-forwarded-host", False, False),
        ("Forwarded", False, False),
        ("Via", False, False),
        ("X-Real-IP", False, False),
    ],
)
def test_what_a_proxy_passed_on_is_not_direct(name: str, http_1_0: bool, direct: bool) -> None:
    headers = CIMultiDict({name: "10.0.0.1"})
    for trusted in ((), TRUSTED):
        found = client_of("127.0.0.1", headers, http_1_0=http_1_0, trusted=trusted)
        assert found.is_direct is direct


@pytest.mark.parametrize("text", ["proxy", "10.0.0.0/33", "127.0.0.1;10.0.0.1"])
def test_what_is_no_network_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(SetupError, match=r"--trusted-proxies: .*172\.16\.0\.0/12"):
        parse_networks([text])


# ---- the owner ----


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    assert read_owner_key(tmp_path) is None
    key = make_owner_key(tmp_path)
    assert make_owner_key(tmp_path) == read_owner_key(tmp_path) == key
    assert len(key) > 50
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_a_key_that_others_could_read_is_closed_again_and_a_damaged_one_is_made_anew(
    tmp_path: Path,
) -> None:
    key = make_owner_key(tmp_path)
    (tmp_path / KEY_FILE).chmod(0o644)
    make_owner_key(tmp_path)
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    for content in (b"", b"\xff\xfe", b"something else\n", b"hearth_owner_\n"):
        (tmp_path / KEY_FILE).write_bytes(content)
        assert make_owner_key(tmp_path) not in (key, content.decode("latin-1").strip())


@pytest.mark.parametrize(
    ("address", "headers", "owner"),
    [
        ("127.0.0.1", {"Authorization": f"Bearer {KEY}"}, True),
        ("::1", {"Authorization": f"bearer  {KEY} "}, True),
        ("127.0.0.1", {"Authorization": KEY}, False),
        ("127.0.0.1", {"Authorization": f"Bearer {KEY}x"}, False),
        ("127.0.0.1", {"Authorization": "Bearer "}, False),
        ("127.0.0.1", {"Authorization": "Bearer \udcff"}, False),
        ("127.0.0.1", {}, False),
        # The key is for programs of this machine, and was not meant to leave it.
        ("203.0.113.7", {"Authorization": f"Bearer {KEY}"}, False),
        ("127.0.0.1", {"Authorization": f"Bearer {KEY}", "X-Forwarded-For": "127.0.0.1"}, False),
    ],
)
def test_the_owner_shows_the_key(address: str, headers: dict[str, str], owner: bool) -> None:
    assert Owner(KEY).shows_key(Client(address), CIMultiDict(headers)) is owner
    assert Owner("").shows_key(Client(address), CIMultiDict(headers)) is False


class Users:
    """Answers whether a user has registered, after `pause`."""

    def __init__(self) -> None:
        self.registered = False
        self.asked = 0
        self.pause = asyncio.Event()
        self.pause.set()

    async def __call__(self) -> bool:
        self.asked += 1
        registered = self.registered
        await self.pause.wait()
        return registered


def test_everybody_on_loopback_is_the_owner_until_somebody_has_registered() -> None:
    async def main() -> None:
        users = Users()
        owner = Owner(KEY, has_users=users)
        assert [await owner.is_anybody() for _ in range(3)] == [True] * 3
        assert users.asked == 1
        users.registered = True
        owner.forget()
        assert [await owner.is_anybody() for _ in range(3)] == [False] * 3
        owner.forget()
        assert await owner.is_anybody() is False
        assert users.asked == 2

    asyncio.run(main())


def test_an_answer_from_before_somebody_registered_does_not_count() -> None:
    async def main() -> None:
        users = Users()
        owner = Owner(KEY, has_users=users)
        users.pause.clear()
        slow = asyncio.create_task(owner.is_anybody())
        await asyncio.sleep(0)
        users.registered = True
        owner.forget()
        users.pause.set()
        assert await slow is False
        assert await owner.is_anybody() is False

    asyncio.run(main())


def test_an_address_is_not_enough_with_a_set_up_token_or_proxies_and_is_without_users() -> None:
    assert asyncio.run(Owner(KEY, needs_key=True, has_users=Users()).is_anybody()) is False
    assert asyncio.run(Owner(KEY, needs_key=True).is_anybody()) is False
    assert asyncio.run(Owner(KEY).is_anybody()) is True
