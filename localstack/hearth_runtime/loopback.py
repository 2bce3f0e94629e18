"""Guards what answers without authentication: it is for programs of this machine only."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping

from .stack_state import SetupError

_SAFE_SITES = ("same-origin", "none")


def is_loopback(host: str) -> bool:
    """Whether a name or address can only be reached from this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def require_loopback(host: str) -> None:
    """Raises SetupError when a server without authentication would be open to other machines."""
    if not is_loopback(host):
        raise SetupError(
            f"Refusing to listen on {host}: without authentication the stack answers on loopback"
            " only (127.0.0.1); authentication at home arrives with the auth function."
        )


def refusal(
    headers: Mapping[str, str], trusted: Callable[[str], bool] = lambda origin: False
) -> str | None:
    """Why a request must not be served though it came over loopback, or None.

    A web page can make a browser on this machine send requests: under a name that it points to
    127.0.0.1 (DNS rebinding, seen in Host), or across sites (seen in Sec-Fetch-Site, or in Origin
    for browsers without it). No program other than a browser sends the latter. `trusted` tells
    which origins may call across sites.
    """
    host = headers.get("Host", "")
    name = host.rsplit(":", 1)[0] if host.rsplit(":", 1)[-1].isdigit() else host
    if not is_loopback(name):
        return f"the host {host[:100]!r} is not this machine's loopback"
    origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site")
    same = site in _SAFE_SITES if site is not None else origin in (None, f"http://{host}")
    if same or (origin is not None and trusted(origin)):
        return None
    return "a web page of another site may not call it"
