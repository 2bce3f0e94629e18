"""`kill -9` of any one process, 50 times during one clip: is the outcome the same?

    HEARTH_SHARED=../shared .venv/bin/python -m tests.performance.kill_any [--kills 50]

An undisturbed run and a disturbed one of the same clip, each on a fresh data folder, each with a
real SMTP server that lives through everything. Processes are killed a random time apart, chosen
among the runtime, MiniStack, every function and the watcher. Compared: incidents, evidence bytes,
PDF bytes, and the Message-IDs that the SMTP server saw for each report.
"""

from __future__ import annotations

import argparse
import email
import os
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller

from tests.support import chaos
from tests.support.daemons import free_port


class Mailbox:
    """Counts the Message-IDs that arrive for each subject line's report."""

    def __init__(self) -> None:
        self.seen: dict[str, Counter[str]] = defaultdict(Counter)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        message = email.message_from_bytes(envelope.content)
        attachments = [part.get_filename() for part in message.walk() if part.get_filename()]
        self.seen[attachments[0] if attachments else "none"][message["Message-ID"]] += 1
        return "250 OK"


def one_run(clip: Path, shared: Path, kills: int, seed: int) -> tuple[chaos.Outcome, Mailbox]:
    mailbox = Mailbox()
    port = free_port()
    post = Controller(mailbox, hostname="127.0.0.1", port=port)
    post.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder)
            policy = data / "policy.yaml"
            policy.write_text(
                "version: 1\n"
                "defaults: {required: [], episode: {gap_s: 1}}\n"  # more incidents in one clip
                "cameras: {clip: {restricted: true}}\n"
            )
            up = [
                *("--policy", str(policy), "--confidence", "0.3"),
                *("--model", str(shared / "models/yolox_nano.onnx")),
                *("--classes", str(shared / "models/coco.names")),
                *("--smtp-url", f"smtp://127.0.0.1:{port}"),
                *("--email-to", "site@example.com", "--email-from", "hearth@example.com"),
            ]
            watch = [str(clip), "--camera", "clip", "--fps", "5", "--no-motion"]
            return chaos.run(data, watch=watch, up=up, kills=kills, seed=seed), mailbox
    finally:
        post.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    shared = Path(os.environ["HEARTH_SHARED"]).resolve()
    clip = shared / "data/video/one-by-one-person-detection.mp4"

    calm, calm_mail = one_run(clip, shared, 0, options.seed)
    print(
        f"undisturbed: {calm.seconds:.0f} s, {len(calm.incidents)} incidents, "
        f"{len(calm.reports)} reports, {sum(len(ids) for ids in calm_mail.seen.values())} e-mails"
    )
    wild, wild_mail = one_run(clip, shared, options.kills, options.seed)
    print(f"disturbed:   {wild.seconds:.0f} s, killed {dict(wild.kills)}")
    print(f"jobs: {wild.jobs}")
    two_ids = [name for name, ids in wild_mail.seen.items() if len(ids) > 1]
    repeated = sum(count - 1 for ids in wild_mail.seen.values() for count in ids.values())
    checks = {
        "same incidents": calm.incidents == wild.incidents,
        "same evidence bytes": calm.evidence == wild.evidence,
        "same report bytes": calm.reports == wild.reports,
        "every report e-mailed": set(calm_mail.seen) == set(wild_mail.seen),
        "one Message-ID a report": not two_ids,
        "same Message-IDs": {k: set(v) for k, v in calm_mail.seen.items()}
        == {k: set(v) for k, v in wild_mail.seen.items()},
    }
    for name, held in checks.items():
        print(f"{name}: {'yes' if held else 'NO'}")
    print(f"e-mails repeated: {repeated}")
    sys.exit(not all(checks.values()))


if __name__ == "__main__":
    main()
