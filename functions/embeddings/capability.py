"""What `embeddings` declares: permissions and jobs."""

from __future__ import annotations

from hearth.capability import Capability

CAPABILITY = Capability(
    name="embeddings",
    permissions={"text:infer": "user"},  # what a model makes of one's own text
    queue="embeddings",
    jobs={"embeddings.embed": "record"},
)
