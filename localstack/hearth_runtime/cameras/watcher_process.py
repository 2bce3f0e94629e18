"""The program that watches one camera under the supervisor.

What to watch comes over standard input, once: a command line and an environment can be read by
others, and a source may hold a password. What happens goes to standard output as JSON lines.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from hearth_runtime.watch.errors import AccessRefused, WatchError
from hearth_runtime.watch.stop_signals import asked_to_stop
from hearth_runtime.watch.watcher import Event, WatchConfig, watch

PATIENCE_S = 5.0  # for a bucket that is out of reach at the end; the rest stays in the spool


def main() -> int:
    given: dict[str, Any] = json.load(sys.stdin)
    rate = given["rate"]
    config = WatchConfig(
        source=given["source"],
        bucket=given["bucket"],
        spool=Path(given["spool"]),
        camera=given["name"],
        endpoint_url=given["endpoint_url"],
        regions=tuple(map(tuple, given["regions"])),
        patience_s=PATIENCE_S,
        **({} if rate is None else {"fps": rate, "paced": True}),
    )
    try:
        with asked_to_stop() as stop:
            watch(config, _emit, stop)
    except WatchError as error:
        refused = isinstance(error, AccessRefused)
        failed = {"event": "failed", "reason": error.message, "remedy": error.remedy}
        _emit({**failed, "refused": refused})
        return 1
    return 0


def _emit(event: Event) -> None:
    sys.stdout.write(json.dumps(event, default=str) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
