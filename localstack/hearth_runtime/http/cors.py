"""Cross-origin rules of an HTTP API, as API Gateway applies them before and after the function."""

from __future__ import annotations

from fnmatch import fnmatchcase

from hearth_runtime.template.model import Cors


def preflight_headers(cors: Cors, origin: str, method: str) -> list[tuple[str, str]]:
    """Headers of the 204 that answers a preflight; none when the origin may not ask."""
    allowed = _allowed_origin(cors, origin)
    if allowed is None or not (
        "*" in cors.methods or method.upper() in cors.methods or not cors.methods
    ):
        return []
    headers = _common(cors, allowed)
    if cors.methods:
        headers.append(("access-control-allow-methods", ",".join(cors.methods)))
    if cors.headers:
        headers.append(("access-control-allow-headers", ",".join(cors.headers)))
    if cors.max_age_s is not None:
        headers.append(("access-control-max-age", str(cors.max_age_s)))
    return headers


def answer_headers(cors: Cors, origin: str | None) -> list[tuple[str, str]]:
    """Headers for an ordinary response; the gateway's replace what the function said."""
    allowed = None if origin is None else _allowed_origin(cors, origin)
    if allowed is None:
        return []
    headers = _common(cors, allowed)
    if cors.expose_headers:
        headers.append(("access-control-expose-headers", ",".join(cors.expose_headers)))
    return headers


def allows(cors: Cors, origin: str) -> bool:
    """Whether pages of this origin may call the API."""
    return _allowed_origin(cors, origin) is not None


def _common(cors: Cors, allowed: str) -> list[tuple[str, str]]:
    headers = [("access-control-allow-origin", allowed)]
    if allowed != "*":
        headers.append(("vary", "Origin"))
    if cors.credentials:
        headers.append(("access-control-allow-credentials", "true"))
    return headers


def _allowed_origin(cors: Cors, origin: str) -> str | None:
    if "*" in cors.origins and not cors.credentials:
        return "*"
    # "https://*" and "https://*.example.com" are allowed patterns.
    if any(fnmatchcase(origin.lower(), pattern.lower()) for pattern in cors.origins):
        return origin
    return None
