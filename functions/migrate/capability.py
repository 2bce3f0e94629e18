"""What `migrate` declares: nothing but its name."""

from __future__ import annotations

from hearth.capability import Capability

CAPABILITY = Capability(
    name="migrate",
)
