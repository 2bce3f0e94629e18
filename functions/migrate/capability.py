"""What `migrate` declares: its function."""

from __future__ import annotations

from hearth.capability import Capability

CAPABILITY = Capability(
    name="migrate",
    functions=("migrate",),
)
