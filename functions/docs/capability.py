"""What `docs` declares: public routes."""

from __future__ import annotations

from hearth.capability import Capability

CAPABILITY = Capability(
    name="docs",
    functions=("docs",),
    public_routes=("GET /", "GET /docs", "GET /docs/{name}", "GET /openapi.json"),
)
