"""What `clustering` declares: permissions, jobs and tables."""

from __future__ import annotations

from hearth.capability import Capability

CAPABILITY = Capability(
    name="clustering",
    functions=("clustering", "clustering-api"),
    permissions={
        "clustering:manage": "developer",  # saved models, and everybody's jobs
        "clustering:use": "user",
    },
    queue="clustering",
    jobs={"clustering.run": "record"},
    tables=("clustering_cancellations", "clustering_models", "clustering_promotions"),
)
