"""Conditional requests (RFC 9110, section 13) and the headers of repeatable ones.

Entity tags are parsed and compared as the RFC says: `If-None-Match` weakly, `If-Match` strongly.
A header that is not a list of entity tags names none: `If-None-Match` is then ignored, and
`If-Match` fails.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, NamedTuple

from fastapi import Header
from starlette.responses import Response

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_SEPARATOR = re.compile(r"[ \t,]*")
_VERSION = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)

IfNoneMatch = Annotated[str | None, Header(alias="If-None-Match", max_length=1_000)]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=1_000,
        description="Only while the resource has this ETag; 412 otherwise.",
    ),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=255,
        pattern=r"^[!-~]+$",
        description="A repeat with the same key within 24 hours gets the first answer again.",
    ),
]


class EntityTag(NamedTuple):
    """An entity tag: the text between its quotes, and whether it is weak."""

    opaque: str
    weak: bool = False

    def __str__(self) -> str:
        return f'{"W/" if self.weak else ""}"{self.opaque}"'


def parse_entity_tags(header: str) -> list[EntityTag]:
    """The tags of a header, in its order; none where it is not a list of entity tags."""
    tags: list[EntityTag] = []
    separator = _SEPARATOR.match(header)
    while separator is not None and separator.end() < len(header):
        found = _TAG.match(header, separator.end())
        if found is None or (tags and "," not in separator[0]):
            return []
        tags.append(EntityTag(found[2], found[1] is not None))
        separator = _SEPARATOR.match(header, found.end())
    return tags


def is_not_modified(if_none_match: str | None, tag: EntityTag) -> bool:
    """Whether the caller of a GET has the current representation (weak comparison, 13.1.2)."""
    if if_none_match is None:
        return False
    if if_none_match.strip() == "*":
        return True
    return any(given.opaque == tag.opaque for given in parse_entity_tags(if_none_match))


def not_modified(
    if_none_match: str | None, tag: EntityTag, headers: Mapping[str, str] | None = None
) -> Response | None:
    """The 304 answer where the caller has the current representation; else None."""
    if not is_not_modified(if_none_match, tag):
        return None
    return Response(status_code=304, headers={**(headers or {}), "ETag": str(tag)})


def version_tag(version: int) -> EntityTag:
    """The entity tag of a row with a version number."""
    return EntityTag(str(version))


def expected_versions(if_match: str | None) -> frozenset[int] | None:
    """The versions that `If-Match` names (strong comparison, 13.1.1); None: any version will do.

    A weak tag, and one that is not a version number, matches none.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    return frozenset(
        int(tag.opaque)
        for tag in parse_entity_tags(if_match)
        if not tag.weak and _VERSION.fullmatch(tag.opaque)
    )


def set_headers(response: Response, version: int | None = None, replayed: bool = False) -> None:
    """Set the ETag of the version that an answer shows, and whether the answer is a replay."""
    if version is not None:
        response.headers["ETag"] = str(version_tag(version))
    if replayed:
        response.headers["Idempotency-Replayed"] = "true"
