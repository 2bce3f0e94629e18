"""Makes the declarations of `${name}` known to the core, as `hearth up --functions` does."""

from __future__ import annotations

import json
import os

from ${package}.capability import CAPABILITY

os.environ["PLUGINS"] = json.dumps(
    {"permissions": dict(CAPABILITY.permissions), "jobs": dict(CAPABILITY.jobs)}
)
