"""What `${name}` declares."""

from __future__ import annotations

from hearth.capability import Capability

CAPABILITY = Capability(
    name="${name}",
    functions=(${", ".join('"%s"' % one for one in functions)}${"," if len(functions) == 1 else ""}),
% if resource:
    permissions={"${slug}:read": "user", "${slug}:write": "user"},
% elif http:
    permissions={"${slug}:read": "user"},
% endif
% if queue:
    queue="${slug}",
    jobs={"${slug}.work": "record"},
% endif
% if resource:
    tables=("${table}",),
% endif
)
