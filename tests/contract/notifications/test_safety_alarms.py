"""Safety alarms come at once, with their image, and nothing else holds them back."""

from __future__ import annotations

import email
import email.policy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.notifications.channels import parse_channel
from functions.notifications.delivery import MessageDelivery
from functions.notifications.handler import make_handler
from functions.notifications.schemas import EventSummary, MessageContent
from functions.notifications.senders import Message
from functions.notifications.senders.mail import build_message
from functions.notifications.senders.webhook import SUPPRESS_NOTIFICATIONS, _body, _with_image
from functions.notifications.worker import NotificationPlanner, Rules
from hearth.errors import NotFound
from hearth.ledger.events import Event
from tests.contract.notifications.conftest import ALICE, BERLIN, INCIDENT, Harness
from tests.support.fakes import LambdaContext, sqs_event
from tests.support.report_events import jpeg

URGENT = "http://localhost/a?name=a&urgent=safety.*"
TASKS = [f"01KASVZEBRY4C1W9T6P0X{number:05}" for number in range(40)]


def imported(harness: Harness, **changes: Any) -> Event:
    data = {"import_id": "i1", "imported_by": ALICE, "created": 31, "updated": 0} | changes
    return Event("task.imported", "i1", harness.clock(), "i1", data)


def test_an_alarm_does_not_wait_for_the_hour_that_tasks_have_filled(harness: Harness) -> None:
    harness.publish(*(harness.created(task) for task in TASKS))
    assert harness.states().count("waiting") == 10
    harness.publish(harness.started())
    assert harness.recorder.titles()[-1] == "No helmet, no vest at gate, yard, North Yard"


def test_urgent_alarms_neither_wait_for_nor_count_in_any_window(harness: Harness) -> None:
    harness.addresses = URGENT
    harness.rules = Rules(burst=2)
    for number in range(6):
        harness.publish(harness.started(f"camera-{number}", incident_id=TASKS[number]))
    harness.publish(harness.created(TASKS[10]), harness.created(TASKS[11]))
    assert set(harness.states()) == {"sent"}


def test_an_import_is_announced_once(harness: Harness) -> None:
    tasks = [harness.created(task, import_id="i1") for task in TASKS[:31]]
    harness.publish(*tasks, imported(harness))
    assert harness.recorder.titles() == ["31 tasks were imported"]


@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_tasks_that_arrive_finished_are_no_news(harness: Harness, status: str) -> None:
    harness.publish(harness.created(status=status), harness.completed(import_id="i1", source=None))
    assert harness.recorder.titles() == []


def test_the_incident_that_people_were_told_of_is_not_told_again_when_it_ends(
    harness: Harness,
) -> None:
    harness.addresses = "mailto:ops@example.org?name=a"
    harness.publish(harness.started())
    harness.clock.advance(600)
    harness.publish(harness.violation(), harness.report(), harness.ended())
    assert len(harness.recorder.sent) == 1
    # The end is read later, in the next hour's digest.
    harness.pass_time(3600)
    assert harness.recorder.titles()[1:] == ["Over: no helmet, no vest at gate, yard, North Yard"]


def test_programs_hear_of_the_end_at_once(harness: Harness) -> None:
    harness.publish(harness.started(), harness.ended())
    quiet = {
        message.content.title[:4]: message.content.quiet for _, message in harness.recorder.sent
    }
    assert quiet == {"No h": False, "Over": True}


def test_a_report_of_what_goes_on_or_was_reviewed_is_no_news(harness: Harness) -> None:
    harness.rules = Rules(cooldown=timedelta(0))
    harness.publish(harness.violation(continuations=[TASKS[0]]), harness.report(continuations=1))
    harness.publish(harness.report(review="dismissed", report_id=TASKS[1]))
    assert harness.recorder.titles() == []


def test_a_change_names_what_is_new(harness: Harness) -> None:
    for change, title in {
        "class-restricted_zone": "Now also restricted zone: ",
        "persons-4": "Now 2 people: ",
        "continued": "Goes on: ",
    }.items():
        event = harness.started(change=change)
        harness.publish(Event("safety.violation.updated", change, event.time, "x", event.data))
        assert harness.recorder.titles()[-1].startswith(title)


def test_cameras_that_fall_silent_and_come_back_are_told_of(harness: Harness) -> None:
    at = "2026-11-02T07:30:00.000000Z"
    silent = {"camera_id": "gate", "site": {"site_name": "Yard"}, "last_received_at": at}
    back = {"camera_id": "gate", "silent_since": at, "back_at": "2026-11-02T07:40:00.000000Z"}
    harness.publish(Event("safety.camera.silent", "1", harness.clock(), "gate", silent))
    harness.publish(Event("safety.camera.back", "1", harness.clock(), "gate", back))
    assert harness.recorder.titles() == ["No pictures from gate, Yard", "Pictures again from gate"]


# ---- images ----


def deliver_with_image(harness: Harness, load: Any) -> list[bytes | None]:
    planner = NotificationPlanner(
        harness.db, harness.directory, harness.rules, BERLIN, "Yard", harness.clock
    )
    delivery = MessageDelivery(
        harness.db, harness.directory, lambda kind: harness.recorder, harness.clock, load
    )
    handler = make_handler(harness.ledger, planner, delivery)
    for _ in range(3):
        waiting = [message.body for message in harness.queues.take("notifications")]
        if waiting:
            handler(sqs_event(*waiting, queue="notifications"), LambdaContext(60))
    return [message.image for _, message in harness.recorder.sent]


def test_the_alarm_carries_its_image(harness: Harness) -> None:
    harness.addresses = (
        "mailto:a@example.org?name=a discord+http://localhost/b?name=b "
        "http://localhost/c?name=c mailto:d@example.org?name=d&image=no"
    )
    asked: list[str] = []

    def load(key: str) -> bytes:
        asked.append(key)
        return jpeg()

    harness.publish(harness.started(), run=False)
    images = deliver_with_image(harness, load)
    assert sorted(len(image or b"") for image in images) == [0, 0, len(jpeg()), len(jpeg())]
    assert set(asked) == {f"evidence/alerts/{INCIDENT}.started.jpg"}


def test_an_image_whose_faces_are_not_blurred_stays_on_the_site(harness: Harness) -> None:
    harness.addresses = "mailto:a@example.org?name=a"
    event = harness.started()
    evidence = {**event.data["evidence"], "faces_blurred": None}
    harness.publish(harness.started(evidence=evidence), run=False)
    assert deliver_with_image(harness, lambda key: jpeg()) == [None]


def test_a_lost_image_holds_back_no_alarm(harness: Harness) -> None:
    harness.addresses = "mailto:a@example.org?name=a"

    def load(key: str) -> bytes:
        raise NotFound("gone")

    harness.publish(harness.started(), run=False)
    assert deliver_with_image(harness, load) == [None]


def alarm(quiet: bool = False) -> Message:
    at = datetime(2026, 11, 2, 7, 30, tzinfo=UTC)
    event = EventSummary(
        type="safety.violation.started",
        id="1",
        subject="1",
        time=at,
        title="No helmet at gate",
        lines=("a",),
        details={},
    )
    content = MessageContent(title=event.title, total=1, quiet=quiet, events=(event,))
    return Message("m1", content, at, jpeg())


def test_an_e_mail_shows_the_image_and_is_the_same_in_each_attempt() -> None:
    data = build_message(alarm(), "h@example.org", "a@example.org")
    assert data == build_message(alarm(), "h@example.org", "a@example.org")
    mail = email.message_from_bytes(data, policy=email.policy.default)
    [image] = mail.iter_attachments()
    assert image.get_content_type() == "image/jpeg"
    assert image.get_content() == jpeg()
    body = mail.get_body(("plain",))
    assert body is not None
    assert "contains none" not in body.get_content()


def test_discord_gets_the_image_as_a_file_and_quiet_messages_without_a_sound() -> None:
    channel = parse_channel("discord+https://discord.com/api/webhooks/1/X")
    assert "flags" not in _body(channel, alarm())
    assert _body(channel, alarm(quiet=True))["flags"] == SUPPRESS_NOTIFICATIONS
    content_type, form = _with_image("m1", json.dumps({"content": "x"}).encode(), jpeg())
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    parts = email.message_from_bytes(head + form, policy=email.policy.default).iter_parts()
    message, image = (part.get_payload(decode=True) for part in parts)
    assert json.loads(message) == {"content": "x"}
    assert image == jpeg()


@pytest.mark.parametrize("value", ["maybe", ""])
def test_an_image_setting_that_is_neither_yes_nor_no_is_rejected(value: str) -> None:
    with pytest.raises(ValueError, match="image must be yes or no"):
        parse_channel(f"mailto:a@example.org?image={value}")
