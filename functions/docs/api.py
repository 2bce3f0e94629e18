"""`/openapi.json` and `/docs`: the document of the whole API, for programs and for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import FastAPI, Path, Request, Response

from functions.docs.assets import DOCUMENT, HOME, PAGE
from hearth.errors import NotFound
from hearth.http.app import Router
from hearth.http.app import create_app as create_http_app
from hearth.http.conditional import EntityTag, not_modified

if TYPE_CHECKING:
    from functions.docs.assets import Assets

# The page may run only its own files and call only its own origin; nothing inline, nothing foreign.
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
    # A cached copy must be revalidated (RFC 9110, 13.1.2): everything changes with a release.
    "Cache-Control": "public, no-cache",
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}


def create_app(files: Assets) -> FastAPI:
    """Build the HTTP application that serves `files`."""
    router = Router(tags=["docs"])

    def answer(name: str, request: Request) -> Response:
        asset = files.get(name)
        if asset is None:
            raise NotFound(f"file {name} does not exist")
        use_gzip = "gzip" in request.headers.get("accept-encoding", "")
        # Each representation has its own entity tag.
        tag = EntityTag(f"{asset.digest}-gzip" if use_gzip else asset.digest)
        headers = {**_HEADERS, "ETag": str(tag)}
        if same := not_modified(request.headers.get("if-none-match"), tag, headers):
            return same
        if use_gzip:
            headers["Content-Encoding"] = "gzip"
        data = asset.gzipped if use_gzip else asset.plain
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
        "/",
        response_class=Response,
        responses=responses("text/html"),
    )
    async def get_home_page(request: Request) -> Response:
        """A page that leads on."""
        return answer(HOME, request)

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
