"""`/openapi.json` and `/docs`: what the whole API answers, for programs and for people."""

from __future__ import annotations

from typing import Annotated, Any, Protocol

from fastapi import APIRouter, FastAPI, Path, Request, Response

from functions.docs.assets import DOCUMENT, PAGE, Asset
from hearth.errors import NotFound
from hearth.http.app import create_app as create_http_app
from hearth.http.conditional import EntityTag, not_modified

# The page runs its own files and speaks with its own origin; nothing inline, nothing from outside.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    # A copy is used only after asking (RFC 9110, 13.1.2): all of it changes with a release.
    "Cache-Control": "public, no-cache",
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}


class Files(Protocol):
    def get(self, name: str) -> Asset | None: ...


def create_app(files: Files) -> FastAPI:
    """The application that hands out `files`."""
    router = APIRouter(tags=["docs"])

    def answer(name: str, request: Request) -> Response:
        asset = files.get(name)
        if asset is None:
            raise NotFound(f"there is no file {name} here")
        packs = "gzip" in request.headers.get("accept-encoding", "")
        # Two representations, two tags.
        tag = EntityTag(f"{asset.digest}-gzip" if packs else asset.digest)
        headers = {**_HEADERS, "ETag": str(tag)}
        if same := not_modified(request.headers.get("if-none-match"), tag, headers):
            return same
        if packs:
            headers["Content-Encoding"] = "gzip"
        data = asset.packed if packs else asset.plain
        return Response(data, media_type=asset.media_type, headers=headers)

    def responses(media_type: str) -> dict[int | str, dict[str, Any]]:
        return {200: {"content": {media_type: {}}}, 304: {"description": "Not modified"}}

    @router.get(
        "/openapi.json",
        response_class=Response,
        responses=responses("application/json"),
    )
    async def get_openapi_document(request: Request) -> Response:
        """This document."""
        return answer(DOCUMENT, request)

    @router.get(
        "/docs",
        response_class=Response,
        responses=responses("text/html"),
    )
    async def get_docs_page(request: Request) -> Response:
        """This document, for people."""
        return answer(PAGE, request)

    @router.get(
        "/docs/{name}",
        response_class=Response,
        responses=responses("*/*"),
    )
    async def get_docs_file(
        name: Annotated[str, Path(max_length=100, pattern=r"^[a-z0-9.-]+$")],
        request: Request,
    ) -> Response:
        """A file of the page."""
        return answer(name, request)

    return create_http_app("Hearth docs", router, openapi_url=None)
