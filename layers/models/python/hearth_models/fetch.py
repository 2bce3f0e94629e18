"""Downloads a model from a given address, checked against SSRF.

Every hop is resolved here, its addresses are checked, and the connection goes to the address that
was checked: a name that answers differently the second time (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import hashlib
import ipaddress
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from hearth.errors import InvalidInput, TooLarge, Unavailable
from hearth_vision.onnx_file import MAX_BYTES

MAX_REDIRECTS: Final = 5
CONNECT_TIMEOUT_S: Final = 10.0
READ_TIMEOUT_S: Final = 30.0
TOTAL_TIMEOUT_S: Final = 1800.0
"""A gigabyte at half a megabyte a second."""

Resolve = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True, slots=True)
class FetchRules:
    """Limits of a download.

    Attributes:
        private: Also addresses of this machine and its networks, over http too: a server at home.
        max_bytes: Of the file.
        total_s: Seconds for the whole.
    """

    private: bool = False
    max_bytes: int = MAX_BYTES
    total_s: float = TOTAL_TIMEOUT_S


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name.

    Raises:
        Unavailable: It has none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unavailable(f"{host} cannot be resolved; check the address") from error
    return [str(entry[4][0]) for entry in found]


def fetch(
    url: str,
    target: Path,
    rules: FetchRules,
    *,
    resolver: Resolve = resolve,
    clock: Callable[[], float] = time.monotonic,
) -> str:
    """Write what an address gives to a file.

    Returns:
        Its sha256, hexadecimal.

    Raises:
        InvalidInput: The address is of a kind that is not fetched.
        TooLarge: It gives more than `rules` admits; the rest is not read.
        Unavailable: It does not answer, or not in time.
    """
    deadline = clock() + rules.total_s
    timeout = httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    with httpx.Client(timeout=timeout, trust_env=False, follow_redirects=False) as client:
        here = url
        try:
            for _ in range(MAX_REDIRECTS + 1):
                request = _request(client, here, rules, resolver)
                answer = client.send(request, stream=True)
                try:
                    location = answer.headers.get("location")
                    if answer.is_redirect and location:
                        here = _next(here, location)
                        continue
                    if answer.status_code != 200:
                        raise Unavailable(
                            f"{shown(here)} answers {answer.status_code}; check the address"
                        )
                    return _save(answer, target, here, rules, deadline, clock)
                finally:
                    answer.close()
        except httpx.TimeoutException as error:
            raise Unavailable(f"{shown(here)} does not answer in time") from error
        except httpx.HTTPError as error:
            raise Unavailable(
                f"{shown(here)} cannot be fetched ({type(error).__name__})"
            ) from error
    raise Unavailable(f"{shown(url)} redirects more than {MAX_REDIRECTS} times")


def shown(url: str) -> str:
    """An address without user, password and query, which may hold secrets."""
    try:
        parsed = httpx.URL(url)
        return str(parsed.copy_with(username=None, password=None, query=None, fragment=None))
    except httpx.InvalidURL:
        return repr(url[:100])


def _next(here: str, location: str) -> str:
    try:
        target = httpx.URL(here).join(location)
    except httpx.InvalidURL as error:
        raise InvalidInput(f"{shown(here)} redirects to something that is no address") from error
    if httpx.URL(here).scheme == "https" and target.scheme != "https":
        raise InvalidInput(
            f"{shown(here)} redirects from https to {target.scheme}; fetch the file yourself and "
            f"add it with --sha256"
        )
    return str(target)


def _request(client: httpx.Client, url: str, rules: FetchRules, resolver: Resolve) -> httpx.Request:
    """A request to an address that was checked, in the name that was asked for."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InvalidInput(f"{url[:100]!r} is not an address") from error
    schemes = ("https", "http") if rules.private else ("https",)
    if parsed.scheme not in schemes or not parsed.host:
        raise InvalidInput(
            f"{shown(url)} is not fetched: only https:// is; fetch it yourself and add the file"
            + (
                ", or say --allow-private for a server of your network"
                if parsed.scheme == "http" and not rules.private
                else ""
            )
        )
    port = parsed.port or (443 if parsed.scheme == "https" else 80)
    addresses = list(resolver(parsed.host, port))
    if not addresses:
        raise Unavailable(f"{parsed.host} cannot be resolved; check the address")
    if not rules.private:
        for address in addresses:
            if not _public(address):
                raise InvalidInput(
                    f"{parsed.host} is {address}, an address of this machine or its networks; "
                    f"--allow-private fetches from there too"
                )
    host = f"{parsed.host}:{parsed.port}" if parsed.port else parsed.host
    return client.build_request(
        "GET",
        parsed.copy_with(host=addresses[0]),
        # A compressed answer could grow without bound while it is unpacked.
        headers={"Host": host, "Accept-Encoding": "identity", "User-Agent": "hearth"},
        extensions={"sni_hostname": parsed.host},
    )


def _public(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    seen = mapped or found
    return seen.is_global and not seen.is_multicast


def _save(
    answer: httpx.Response,
    target: Path,
    url: str,
    rules: FetchRules,
    deadline: float,
    clock: Callable[[], float],
) -> str:
    announced = answer.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > rules.max_bytes:
        raise TooLarge(
            f"{shown(url)} has {announced} bytes; at most {rules.max_bytes} are accepted"
        )
    digest, size = hashlib.sha256(), 0
    with target.open("wb") as file:
        for piece in answer.iter_raw(1 << 20):
            size += len(piece)
            if size > rules.max_bytes:
                raise TooLarge(f"{shown(url)} gives more than {rules.max_bytes} bytes")
            if clock() > deadline:
                raise Unavailable(f"{shown(url)} takes longer than {rules.total_s:g} s")
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()
