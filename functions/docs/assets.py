"""The document, its page and the files of Swagger UI, all from the image."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

DOCUMENT = "openapi.json"
PAGE = "index.html"
HOME = "home.html"
_MEDIA_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "png": "image/png",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file, plain and compressed with gzip; `digest` identifies its content."""

    media_type: str
    plain: bytes
    gzipped: bytes
    digest: str


class Assets:
    """Files by name; each is read and compressed at its first request."""

    def __init__(self) -> None:
        ours, swagger_ui = files("functions.docs"), files("fastapi_swagger") / "resources"
        self._places: dict[str, Traversable] = {
            DOCUMENT: ours / DOCUMENT,
            **{file.name: file for file in (ours / "page").iterdir()},
            "swagger-ui.css": swagger_ui / "swagger-ui.css",
            "swagger-ui-bundle.js": swagger_ui / "swagger-ui-bundle.js",
            "favicon.png": swagger_ui / "favicon-32x32.png",
        }
        self._read: dict[str, Asset] = {}

    def get(self, name: str) -> Asset | None:
        """Return a file; None when it does not exist."""
        if name not in self._places:
            return None
        if name not in self._read:
            data = self._places[name].read_bytes()
            self._read[name] = Asset(
                media_type=_MEDIA_TYPES[name.rpartition(".")[2]],
                plain=data,
                # The bundle shrinks to a third, far below Lambda's limit for responses.
                gzipped=gzip.compress(data, 6, mtime=0),
                digest=hashlib.sha256(data).hexdigest()[:32],
            )
        return self._read[name]
