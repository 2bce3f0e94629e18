"""What `embeddings` declares: permissions and jobs."""

from __future__ import annotations

from hearth.capability import Capability

CAPABILITY = Capability(
    name="embeddings",
    functions=("embeddings", "embeddings-api"),
    permissions={"text:infer": "user"},  # what a model makes of one's own text
    queue="embeddings",
    jobs={"embeddings.embed": "record"},
)
