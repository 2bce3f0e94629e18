"""Guards what answers without authentication: it is for programs of this machine only.

Whoever may run programs here owns what the stack keeps here, so asking them for a password would
protect nothing. On any other address every request has to show who it is of.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Container, Mapping

from hearth_runtime.stack_state import SetupError
from hearth_runtime.template.model import Api

_SAFE_SITES = ("same-origin", "none")
CROSS_SITE = "a web page of another site may not call it"


def is_loopback(host: str) -> bool:
    """Whether a name or address can only be reached from this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def require_authorizers(host: str, api: Api) -> None:
    """Raises SetupError when a route would be open to other machines that does not say so itself
    (`Auth: { Authorizer: NONE }`)."""
    if is_loopback(host):
        return
    for route in api.routes:
        if route.authorizer is None and not route.public:
            raise SetupError(
                f"Refusing to listen on {host}: nobody asks who calls {route.key}; give the API a"
                " DefaultAuthorizer, or listen on 127.0.0.1."
            )


def refusal(
    headers: Mapping[str, str],
    trusted: Callable[[str], bool] = lambda origin: False,
    names: Container[str] = (),
) -> str | None:
    """Why a request must not be served though it came over loopback, or None.

    A web page can make a browser on this machine send requests: under a name that it points to
    127.0.0.1 (DNS rebinding, seen in Host), or across sites (seen in Sec-Fetch-Site, or in Origin
    for browsers without it). No program other than a browser sends the latter.

    Args:
        trusted: Tells which origins may call across sites.
        names: Host names that count beside those of loopback.
    """
    host = headers.get("Host", "")
    name = host.rsplit(":", 1)[0] if host.rsplit(":", 1)[-1].isdigit() else host
    if not is_loopback(name) and name not in names:
        return f"the host {host[:100]!r} is not this machine's loopback"
    origin = headers.get("Origin")
    if not is_cross_site(headers) or (origin is not None and trusted(origin)):
        return None
    return CROSS_SITE


def is_cross_site(headers: Mapping[str, str]) -> bool:
    """Whether a web page of another site had a browser send the request."""
    origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in _SAFE_SITES
    return origin not in (None, f"http://{headers.get('Host', '')}")
