"""Puts a new capability into files that hold others too: template.yaml and README.md.

Lines are inserted and nothing is parsed and written anew, so that every other line, with its
comments, stays as it is.
"""

from __future__ import annotations

import re

from hearth_runtime.scaffold.plan import NewCapability
from hearth_runtime.stack_state import SetupError

_FUNCTIONS = "  # ---- functions ----\n"
_SECTION = re.compile(r"^  # ---- ", re.MULTILINE)
_LOGICAL_ID = re.compile(r"^  ([A-Za-z0-9]+):$", re.MULTILINE)
_REVISION = re.compile(r'^(      Revision: )"\d{4}"$', re.MULTILINE)
_ROW = re.compile(r"^\| `([a-z-]+)` \|.*\n", re.MULTILINE)


def insert_block(template: str, title: str, block: str) -> str:
    """The template with `block` among the functions, before the first that sorts after `title`.

    Raises:
        SetupError: It has no section of functions, or one of the block's resources.
    """
    taken = {*_LOGICAL_ID.findall(template)} & {*_LOGICAL_ID.findall(block)}
    if taken:
        raise SetupError(f"template.yaml has a resource {min(taken)} already; choose another name")
    begin = template.find(_FUNCTIONS)
    if begin < 0:
        raise SetupError(f"template.yaml must have the line {_FUNCTIONS.strip()!r}")
    begin += len(_FUNCTIONS)
    section = _SECTION.search(template, begin)
    end = section.start() if section else len(template)
    later = (
        match.start()
        for match in _LOGICAL_ID.finditer(template, begin, end)
        if match[1].endswith("Function") and match[1].lower() > title.lower()
    )
    at = next(later, end)
    return template[:at] + block + template[at:]


def set_revision(template: str, revision: str) -> str:
    """The template with another revision of the database schema.

    Raises:
        SetupError: It names none.
    """
    changed, count = _REVISION.subn(rf'\g<1>"{revision}"', template)
    if count != 1:
        raise SetupError("template.yaml must name the Revision of the database schema once")
    return changed


def insert_readme_row(readme: str, new: NewCapability) -> str:
    """The README with a line for the new capability in its table."""
    events = ", ".join(["SQS"] * new.queue + ["HTTP"] * new.has_api)
    example = f"/api/v1/{new.slug}{'/length?text=a' if new.http else ''}"
    call = f"`curl $URL{example}`" if new.has_api else ""
    row = f"| `{new.slug}` | {events} | | {call} |\n"
    last = list(_ROW.finditer(readme))
    if not last:
        raise SetupError("README.md must have the table of functions")
    at = last[-1].end()
    return readme[:at] + row + readme[at:]
