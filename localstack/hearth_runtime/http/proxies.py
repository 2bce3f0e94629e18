"""Who is behind a reverse proxy: the address of the client, as far as proxies are trusted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from multidict import MultiMapping

from hearth_runtime.stack_state import SetupError

Network = IPv4Network | IPv6Network
_FORWARDED_HEADERS = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip")
"""What reverse proxies add; no program that calls by itself does."""
_SCHEMES = ("http", "https")
_FOR = re.compile(r"""(?:^|;)\s*for\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Client:
    """Who sends a request.

    Attributes:
        address: Of the client; that of the last proxy that is not trusted, where there is one.
        scheme: What a trusted proxy says that the client speaks; None: what came in here.
        is_direct: Whether the program itself is connected, as far as one can see.
    """

    address: str
    scheme: str | None = None
    is_direct: bool = True


def parse_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """The addresses and networks of `--trusted-proxies`, each text one or several with commas.

    Raises:
        SetupError: One is neither.
    """
    names = [name.strip() for text in texts for name in text.split(",") if name.strip()]
    try:
        return tuple(ip_network(name, strict=False) for name in names)
    except ValueError as error:
        raise SetupError(
            f"--trusted-proxies: {error}; give addresses such as 127.0.0.1 or 172.16.0.0/12."
        ) from error


def client_of(
    remote: str, headers: MultiMapping[str], *, http_1_0: bool, trusted: Sequence[Network]
) -> Client:
    """The client of a request that came from the address `remote`.

    Addresses are read from the right, as each proxy adds the one that it sees: the first that is
    no trusted proxy's is the client. `Forwarded` (RFC 7239) counts without `X-Forwarded-For`
    alone: of both, most proxies write the latter and pass the client's own words of the former on.

    Args:
        http_1_0: nginx passes requests on by that version, if it is not set up otherwise.
    """
    remote = plain_address(remote)
    passed_on = http_1_0 or is_forwarded(headers)
    if not _is_in(remote, trusted):
        return Client(remote, None, not passed_on)
    address = remote
    for hop in _hops(headers):
        if hop is None:
            break
        address = hop
        if not _is_in(hop, trusted):
            break
    scheme = headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip().lower()
    return Client(address, scheme if scheme in _SCHEMES else None, not passed_on)


def is_forwarded(headers: Mapping[str, str]) -> bool:
    """Whether the headers show that a proxy passed the request on."""
    return any(name in headers for name in _FORWARDED_HEADERS)


def plain_address(address: str) -> str:
    """An address without brackets and zone; an IPv4 address that came over IPv6 as IPv4.

    Anything that is no address is returned as it is.
    """
    try:
        parsed = ip_address(address.strip("[]").partition("%")[0])
    except ValueError:
        return address
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return str(mapped or parsed)


def _hops(headers: MultiMapping[str]) -> Iterator[str | None]:
    """The addresses that proxies named, the nearest first; None for one that is no address."""
    if "X-Forwarded-For" in headers:
        parts = ",".join(headers.getall("X-Forwarded-For")).split(",")
    else:
        elements = ",".join(headers.getall("Forwarded", [])).split(",")
        parts = [match[1].strip().strip('"') for one in elements if (match := _FOR.search(one))]
    for part in reversed(parts):
        yield _address(part.strip())


def _address(text: str) -> str | None:
    """`1.2.3.4`, `1.2.3.4:567`, `2001:db8::1`, `[2001:db8::1]` and `[2001:db8::1]:567`."""
    bracketed = re.fullmatch(r"\[([^\]]+)\](?::\d+)?", text)
    host = bracketed[1] if bracketed else text
    if not bracketed and host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return plain_address(host)


def _is_in(address: str, networks: Sequence[Network]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)
