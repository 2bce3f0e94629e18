"""Basic and Digest authentication (RFC 7617, RFC 7616) with all offers that a camera makes.

The standard library's handlers read the first offer alone, know no SHA-256 and end in a traceback
at an algorithm in lower case.
"""

from __future__ import annotations

import base64
import hashlib
import re
import urllib.request
from collections.abc import Callable, Iterable
from typing import IO, Any, Final

_HASHES: Final = {"SHA-512-256": "sha512_256", "SHA-256": "sha256", "MD5": "md5"}
_STRONGEST_FIRST: Final = tuple(_HASHES)
_SCHEME = re.compile(r"(?:^|,)\s*(Basic|Digest)\b\s*", re.IGNORECASE)
_PARAMETER = re.compile(r'([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')


class CameraAuthentication(urllib.request.AbstractDigestAuthHandler, urllib.request.BaseHandler):
    """Answers a 401 by the strongest offer, once; a camera may lock an account that tries more."""

    auth_header = "Authorization"
    handler_order = 490  # before the handler that makes an error of the answer

    def __init__(self, passwords: urllib.request.HTTPPasswordMgr) -> None:
        super().__init__(passwords)
        self._passwords = passwords

    def http_error_401(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any
    ) -> Any:
        """Ask again with what the camera wants; None where there is nothing to say."""
        if req.has_header(self.auth_header):
            return None
        for scheme, offer in choose(headers.get_all("WWW-Authenticate") or ()):
            user, password = self._passwords.find_user_password(
                offer.get("realm", ""), req.full_url
            )
            if user is None:
                return None
            if scheme == "basic":
                pair = f"{user}:{password or ''}".encode()
                said = f"Basic {base64.b64encode(pair).decode('ascii')}"
            else:
                said = f"Digest {self.get_authorization(req, offer)}"
            req.add_unredirected_header(self.auth_header, said)
            fp.close()
            return self.parent.open(req, timeout=req.timeout)
        return None

    def get_algorithm_impls(
        self, algorithm: str
    ) -> tuple[Callable[[str], str], Callable[[str, str], str]]:
        name = _HASHES[algorithm.upper()]

        def digest(text: str) -> str:
            return hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()

        return digest, lambda secret, data: digest(f"{secret}:{data}")


def choose(headers: Iterable[str]) -> list[tuple[str, dict[str, str]]]:
    """Offers that can be answered, the strongest first: scheme and parameters."""
    found = []
    for header in headers:
        starts = list(_SCHEME.finditer(header))
        for start, following in zip(starts, [*starts[1:], None], strict=True):
            text = header[start.end() : following.start() if following else None]
            parameters = {
                name.lower(): re.sub(r"\\(.)", r"\1", quoted) or plain
                for name, quoted, plain in _PARAMETER.findall(text)
            }
            scheme = start.group(1).lower()
            rank = len(_HASHES)
            if scheme == "digest":
                algorithm = parameters.setdefault("algorithm", "MD5").upper()
                complete = "realm" in parameters and "nonce" in parameters
                qop = [one.strip() for one in parameters.get("qop", "auth").split(",")]
                if algorithm not in _HASHES or not complete or "auth" not in qop:
                    continue
                if "qop" in parameters:
                    parameters["qop"] = "auth"
                rank = _STRONGEST_FIRST.index(algorithm)
            found.append((rank, scheme, parameters))
    found.sort(key=lambda offer: offer[0])
    return [(scheme, parameters) for _, scheme, parameters in found]
