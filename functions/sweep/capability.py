"""What `sweep` declares: tables."""

from __future__ import annotations

from hearth.capability import Capability

CAPABILITY = Capability(
    name="sweep",
    functions=("sweep",),
    tables=("sweep_listings", "sweep_watermarks"),
)
