"""Kill any one process of a running stack with SIGKILL, again and again, and bring it back.

What a supervisor such as systemd does at home is done here: a runtime that died is started again,
and a watcher that died is started again on the same source.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HEARTH = (sys.executable, "-m", "hearth_runtime")


@dataclass
class Outcome:
    """What a run left behind, in a form that two runs can be compared by.

    Attributes:
        incidents: Facts of each incident, by id.
        evidence: sha256 of each evidence image, by incident id.
        reports: sha256 of each PDF, by report id.
        kills: How often each kind of process was killed.
        seconds: From the first process to an empty ledger.
    """

    incidents: dict[str, dict[str, Any]] = field(default_factory=dict)
    evidence: dict[str, str] = field(default_factory=dict)
    reports: dict[str, str] = field(default_factory=dict)
    jobs: dict[str, dict[str, int]] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


class DurableStack:
    """A stack and a watcher, started again whenever they die.

    Args:
        data: Folder of the stack.
        watch: Arguments of `hearth watch`.
        up: More arguments of `hearth up`.
    """

    def __init__(self, data: Path, watch: Sequence[str], up: Sequence[str]) -> None:
        self._data = data
        self._watch_command = [*HEARTH, "watch", *watch, "--data", str(data), "--json"]
        self._up_command = [*HEARTH, "up", *up, "--data", str(data), "--json"]
        self._log = (data / "chaos.log").open("ab")
        self._runtime: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None
        self._watched = False

    def keep_up(self) -> None:
        """Start what is not running; note when the watcher has come to its end."""
        if self._runtime is None or self._runtime.poll() is not None:
            self._runtime = self._spawn(self._up_command)
        if self._watcher is not None and self._watcher.poll() == 0:
            self._watched = True
        idle = self._watcher is None or self._watcher.poll() is not None
        if idle and not self._watched and self.state() is not None:
            self._watcher = self._spawn(self._watch_command)

    def processes(self) -> dict[int, str]:
        """Every live process of the stack: the runtime, its descendants, the watcher."""
        found: dict[int, str] = {}
        for process, name in ((self._runtime, "runtime"), (self._watcher, "watcher")):
            if process is not None and process.poll() is None:
                found[process.pid] = name
                found.update(descendants(process.pid))
        return found

    def kill_one(self, rng: random.Random, kind: str | None = None) -> str | None:
        """SIGKILL one process of a kind, or of any; each kind is as likely as the other.

        Gives the kind, or None when there was no such process.
        """
        live = self.processes()
        if not live or (kind is not None and kind not in live.values()):
            return None
        kind = kind or rng.choice(sorted(set(live.values())))
        pid = rng.choice([pid for pid, name in live.items() if name == kind])
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            return kind
        return None

    def state(self) -> dict[str, Any] | None:
        """Where the stack answers, or None while it does not."""
        try:
            state = json.loads((self._data / "runtime.json").read_text())
            _get(f"{state['control_url']}/ready")
        except (OSError, ValueError):
            return None
        return dict(state)

    def get(self, path: str) -> Any:
        """The answer of the HTTP API to `path`, as JSON where it is."""
        state = self.state()
        if state is None:
            raise ConnectionError("the stack is not up")
        body = _get(f"{state['gateway_url']}/api/v1{path}")
        return json.loads(body) if body[:1] in b"{[" else body

    def sweep(self) -> None:
        """Run the sweep now rather than at the next full minute."""
        state = self.state()
        if state is None:
            return
        with contextlib.suppress(OSError):
            _get(
                f"{state['control_url']}/2015-03-31/functions/sweep/invocations",
                data=Path("events/sweep/scheduler_every_minute.json").read_bytes(),
            )

    def is_finished(self) -> bool:
        """Whether the source has been watched to its end and the ledger is empty."""
        if not self._watched:
            return False
        try:
            summary = self.get("/jobs/summary")
            ended = summary["jobs"].get("detection.end", {}).get("done", 0) > 0
            return ended and summary["open"] == 0
        except OSError:
            return False

    def outcome(self) -> Outcome:
        """What the finished run left behind."""
        answer = Outcome(jobs=self.get("/jobs/summary")["jobs"])
        for incident in self.get("/incidents?limit=100")["incidents"]:
            key = incident["incident_id"]
            answer.incidents[key] = {
                name: incident[name]
                for name in ("camera_id", "zone", "first_seen", "last_seen", "state", "violations")
            }
            answer.evidence[key] = _sha256(self.get(f"/incidents/{key}/evidence"))
        for report in self.get("/reports?limit=100")["reports"]:
            key = report["id"]
            answer.reports[key] = _sha256(self.get(f"/reports/{key}/pdf"))
        return answer

    def stop(self) -> None:
        for process in (self._watcher, self._runtime):
            if process is not None and process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self._log.close()

    def _spawn(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, stdout=self._log, stderr=self._log)


def run(
    data: Path,
    *,
    watch: Sequence[str],
    up: Sequence[str],
    kills: int = 0,
    victims: Sequence[str] = (),
    first: float = 6.0,
    pause: tuple[float, float] = (0.3, 3.0),
    seed: int = 0,
    patience: float = 900,
) -> Outcome:
    """Do the main job once, with `kills` processes killed on the way, a random `pause` (s) apart.

    The first one is killed after `first` seconds. The last kills may come after the source has
    ended, while its jobs are still worked on. `victims` are kinds of processes to kill in this
    order, each as soon as there is one, in place of as many random ones.

    Raises:
        TimeoutError: the ledger was not empty after `patience` seconds.
    """
    rng = random.Random(seed)
    chosen: list[str | None] = [*victims, *[None] * (kills - len(victims))]
    stack = DurableStack(data, watch, up)
    killed: Counter[str] = Counter()
    began = time.monotonic()
    next_kill, next_sweep = began + rng.uniform(*pause), began
    try:
        while True:
            now = time.monotonic()
            if now - began > patience:
                raise TimeoutError(f"not finished after {patience} s: {stack.get('/jobs/summary')}")
            stack.keep_up()
            if chosen and now >= next_kill:
                kind = stack.kill_one(rng, chosen[0])
                if kind is not None:
                    chosen.pop(0)
                    killed[kind] += 1
                    next_kill = now + rng.uniform(*pause)
            if now >= next_sweep:
                stack.sweep()
                next_sweep = now + 2.0
            if not chosen and stack.is_finished():
                answer = stack.outcome()
                answer.kills, answer.seconds = killed, time.monotonic() - began
                return answer
            time.sleep(0.05)
    finally:
        stack.stop()


def descendants(pid: int) -> dict[int, str]:
    """Child processes of `pid`, at any depth, with what each is."""
    found: dict[int, str] = {}
    for child in _children(pid):
        found[child] = _kind(child)
        found.update(descendants(child))
    return found


def _children(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                yield from map(int, (task / "children").read_text().split())


def _kind(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return "gone"
    for word in words:
        if word.startswith("functions."):
            return word.split(".")[1]
    return "ministack" if any("ministack" in word for word in words) else "other"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _get(url: str, data: bytes | None = None) -> bytes:
    try:
        with urllib.request.urlopen(url, data=data, timeout=70) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        raise ConnectionError(f"{url} answered {error.code}") from error
