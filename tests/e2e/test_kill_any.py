"""`kill -9` of any process during the main job changes nothing about what comes of it.

tests/performance/kill_any.py does the same with fifty random kills.
"""

from __future__ import annotations

import email
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.driver import policy_file
from tests.support import chaos
from tests.support.smtp_server import Mailbox, smtp_server

# A detection process that dies in the middle of a batch keeps its frames leased for as long as the
# function may run, 30 s, and one second more. That is most of the time this test takes.
PATIENCE_S = 100


def main_job(
    folder: Path, clip: Path, yolox: list[str], victims: Sequence[str] = ()
) -> tuple[chaos.Outcome, dict[str, Counter[str]]]:
    """The clip three times over, at its own pace; what came of it, and its e-mails."""
    folder.mkdir()
    policy = policy_file(folder / "policy.yaml", ["clip"])
    with smtp_server() as mailbox:
        outcome = chaos.run(
            folder,
            watch=[str(clip), "--camera", "clip", "--fps", "5", "--no-motion", "--loop", "3"],
            up=[
                *("--policy", str(policy), *yolox),
                *("--smtp-url", f"smtp://127.0.0.1:{mailbox.port}"),
                *("--email-from", "hearth@example.org", "--email-to", "chief@example.org"),
            ],
            kills=len(victims),
            victims=victims,
            first=2.5,
            pause=(1.0, 2.0),
            patience=PATIENCE_S,
        )
    return outcome, message_ids(mailbox)


def message_ids(mailbox: Mailbox) -> dict[str, Counter[str]]:
    """How often which Message-ID was taken, by the attachment's name, which holds the report's."""
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for taken in mailbox.messages:
        message = email.message_from_bytes(taken.content)
        for part in message.walk():
            if part.get_filename():
                seen[str(part.get_filename())][str(message["Message-ID"])] += 1
    return dict(seen)


@pytest.mark.needs_shared
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_killed_processes_do_not_change_the_outcome(
    tmp_path: Path, clip: Path, yolox: list[str]
) -> None:
    victims = ["watcher", "detection", "ministack", "runtime"]
    calm, calm_mail = main_job(tmp_path / "calm", clip, yolox)
    wild, wild_mail = main_job(tmp_path / "wild", clip, yolox, victims)

    assert wild.kills == Counter(victims)
    assert len(calm.incidents) == 1
    assert wild.incidents == calm.incidents
    assert wild.evidence == calm.evidence
    assert wild.reports == calm.reports
    for outcome in (calm, wild):
        assert outcome.jobs["detection.frame"] == {"done": 71}
        assert not any("failed" in states for states in outcome.jobs.values())
    # One may be sent twice (accepted, but not yet recorded), never under another id.
    assert {name: set(ids) for name, ids in wild_mail.items()} == {
        name: set(ids) for name, ids in calm_mail.items()
    }
    assert all(len(ids) == 1 for ids in wild_mail.values())
    assert sum(map(len, calm_mail.values())) == len(calm.reports)
