"""Removes containers that a runtime left behind.

No container survives its runtime, however it ends: a shell of a few hundred kilobytes, in a session
of its own, holds the reading end of a pipe whose other end only the runtime has. When that closes
without a word, the shell becomes `python -m hearth_runtime.launchers.container_cleanup LABEL`.
A container
whose function waits for work ends by itself, because its Runtime API is gone; the others would work
on beside those of the next runtime. Where the shell was killed too (a whole control group, a power
cut), the next start on the same data removes them.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from contextlib import suppress

from aiodocker import Docker, DockerError

_WATCH = 'trap "" HUP INT TERM; read -r _ || exec "$0" "$@"'
_GONE = (404, 409)  # removed meanwhile; is being removed
_AGAIN_S = 1.0  # for a container that the engine was creating when the runtime died


async def remove(docker: Docker, *labels: str) -> int:
    """Kill and remove every container that bears all labels ("name=value"); how many there were.

    Raises:
        DockerError: The engine does not answer.
    """
    filters = json.dumps({"label": list(labels)})
    containers = await docker.containers.list(all="true", filters=filters)
    for container in containers:
        try:
            await container.delete(force=True, v=True)
        except DockerError as error:
            if error.status not in _GONE:
                raise
    return len(containers)


class Reaper:
    """Has the containers with a label removed when this process dies."""

    def __init__(self, label: str) -> None:
        """Raises OSError where there is no /bin/sh."""
        self._process = subprocess.Popen(  # noqa: S603  a list, and a shell text of our own
            ["/bin/sh", "-c", _WATCH, sys.executable, "-m", __name__, label],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # what ends the runtime's process group must not end this
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def dismiss(self, *, clean: bool) -> None:
        """Wait for its end; unless all is `clean` already, it tries to remove what is left."""
        with suppress(OSError):  # it was killed
            self._process.communicate(b"\n" if clean else None)


async def _clean_up(label: str) -> None:
    async with Docker() as docker:
        await remove(docker, label)
        time.sleep(_AGAIN_S)  # noqa: ASYNC251  nothing else runs here
        await remove(docker, label)


if __name__ == "__main__":
    asyncio.run(_clean_up(sys.argv[1]))
