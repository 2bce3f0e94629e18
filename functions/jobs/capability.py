"""What `jobs` declares: permissions."""

from __future__ import annotations

from hearth.capability import Capability

CAPABILITY = Capability(
    name="jobs",
    functions=("jobs",),
    permissions={"jobs:read": "developer", "jobs:retry": "developer"},
)
