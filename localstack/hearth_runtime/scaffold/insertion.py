"""Puts a new capability into files that hold others too: template.yaml and README.md.

Lines are inserted and nothing is parsed and written anew, so that every other line, with its
comments, stays as it is.
"""

from __future__ import annotations

import re

from hearth_runtime.scaffold.plan import NewCapability, function_block, queue_block
from hearth_runtime.stack_state import SetupError

_POLICY_QUEUE = re.compile(r"^        - !Ref (\w+Queue)\n", re.MULTILINE)
_SECTION = re.compile(r"^  # ---- ", re.MULTILINE)
_LOGICAL_ID = re.compile(r"^  ([A-Za-z0-9]+):$", re.MULTILINE)
_REVISION = re.compile(r'^(      Revision: )"\d{4}"$', re.MULTILINE)
_ROW = re.compile(r"^\| `([a-z-]+)` \|.*\n", re.MULTILINE)


def insert_functions(template: str, new: NewCapability) -> str:
    """The template with the functions of a new capability, in their alphabetical place.

    Raises:
        SetupError: It has no section of functions, or one of these resources already.
    """
    return _insert(template, "functions", "Function", new.title, function_block(new))


def insert_queue(template: str, new: NewCapability) -> str:
    """The template with the queue of a new capability, under the policy of all queues.

    Raises:
        SetupError: It has no section of queues, no such policy, or this queue already.
    """
    template = _insert(template, "queues", "Queue", new.title, queue_block(new))
    queues = list(_POLICY_QUEUE.finditer(template))
    if not queues:
        raise SetupError("template.yaml must name the queues of QueuesPolicy, a line each")
    later = (match.start() for match in queues if match[1].lower() > f"{new.title}queue".lower())
    at = next(later, queues[-1].end())
    return f"{template[:at]}        - !Ref {new.title}Queue\n{template[at:]}"


def _insert(template: str, section: str, suffix: str, title: str, block: str) -> str:
    """Put `block` before the first resource of the section that sorts after `title`."""
    taken = {*_LOGICAL_ID.findall(template)} & {*_LOGICAL_ID.findall(block)}
    if taken:
        raise SetupError(f"template.yaml has a resource {min(taken)} already; choose another name")
    heading = f"  # ---- {section} ----\n"
    begin = template.find(heading)
    if begin < 0:
        raise SetupError(f"template.yaml must have the line {heading.strip()!r}")
    begin += len(heading)
    following = _SECTION.search(template, begin)
    end = following.start() if following else len(template)
    resources = list(_LOGICAL_ID.finditer(template, begin, end))
    if suffix == "Queue":  # the policy of all queues stands behind them
        end = next((one.start() for one in resources if one[1] == "QueuesPolicy"), end)
    later = (
        one.start()
        for one in resources
        if one[1].endswith(suffix) and one[1].lower() > f"{title}{suffix}".lower()
    )
    at = min(next(later, end), end)
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
