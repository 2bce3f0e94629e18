"""The tables of this function: cameras, frames, observations, incidents, models.

The zone of the whole image is the empty string in the tables, because it is part of primary keys.
A frame's key sorts by time within its camera, so ranges of time are ranges of keys.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Boolean, Column, Float, Index, Integer, MetaData, Table, Text

from hearth.db import JsonText, UtcDateTime

metadata = MetaData()

cameras = Table(
    "detection_cameras",
    metadata,
    Column("camera_id", Text, primary_key=True),
    Column("frames", Integer, nullable=False),
    Column("frames_with_person", Integer, nullable=False),
    Column("compliant", Integer, nullable=False),
    Column("violation", Integer, nullable=False),
    Column("indeterminate", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("first_frame_at", UtcDateTime),
    Column("last_frame_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("model_id", Text),
    Column("changes", Integer, nullable=False),
    Column("pruned_at", UtcDateTime),
    Column("prune_cursor", Text),
    Column("pruned_until", UtcDateTime),
    # Frames that were not judged: `dropped` by load shedding, `over_rate` by the rate limit.
    Column("dropped", Integer),
    Column("over_rate", Integer),
    # When a frame last came in, since when none does, and the job that looks after it.
    Column("received_at", UtcDateTime),
    Column("silent_since", UtcDateTime),
    Column("presence_key", Text),
)

frames = Table(
    "detection_frames",
    metadata,
    Column("frame_key", Text, primary_key=True),
    Column("camera_id", Text, nullable=False),
    Column("captured_at", UtcDateTime, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("persons", Integer, nullable=False),
    Column("compliant", Integer, nullable=False),
    Column("violation", Integer, nullable=False),
    Column("indeterminate", Integer, nullable=False),
    Column("result", JsonText),
    Column("model_id", Text),
    Column("error", Text),
    Column("processed_at", UtcDateTime, nullable=False),
)

observations = Table(
    "detection_observations",
    metadata,
    Column("frame_key", Text, primary_key=True),
    Column("zone", Text, primary_key=True),
    Column("class_name", Text, primary_key=True),
    Column("person", Integer, primary_key=True, autoincrement=False),
    Column("captured_at", UtcDateTime, nullable=False),
    Column("score", Float, nullable=False),
)

incidents = Table(
    "detection_incidents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("camera_id", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("first_seen", UtcDateTime, nullable=False),
    Column("last_seen", UtcDateTime, nullable=False),
    Column("first_frame_key", Text, nullable=False),
    Column("last_frame_key", Text, nullable=False),
    Column("frames", Integer, nullable=False),
    Column("persons_max", Integer, nullable=False),
    Column("classes", JsonText, nullable=False),
    Column("peak_frame_key", Text, nullable=False),
    Column("continues", Boolean, nullable=False),
    Column("end_reason", Text),
    Column("evidence", JsonText),
    Column("superseded_by", Text),
    Column("watch_key", Text, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    # Since when its observations are deleted: it is final.
    Column("pruned_at", UtcDateTime),
    # A person has dealt with it, derived from `closings`. Late frames do not change that.
    Column("closed_at", UtcDateTime),
    Column("closed_by_task", Text),
    # The incident that this one goes on with; both are counted as one.
    Column("continuation_of", Text),
    # What its first alert showed, while it goes on.
    Column("alert_evidence", JsonText),
    # The latest of its reviews.
    Column("review", Text),
    Column("reviewed_at", UtcDateTime),
    Index("ix_detection_incidents_continuation_of", "continuation_of"),
    Index("ix_detection_incidents_place", "camera_id", "zone", "first_seen"),
    Index("ix_detection_incidents_state", "camera_id", "state"),
    Index("ix_detection_incidents_pruned", "camera_id", "pruned_at"),
    Index("ix_detection_incidents_peak", "peak_frame_key"),
)

closings = Table(
    "detection_closings",
    metadata,
    Column("incident_id", Text, primary_key=True),
    Column("task_id", Text, primary_key=True),
    Column("at", UtcDateTime, primary_key=True),
    Column("reopened", Boolean, primary_key=True),
)
"""When each task of an incident was completed, and when reopened."""

reviews = Table(
    "detection_reviews",
    metadata,
    Column("id", Text, primary_key=True),
    Column("incident_id", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("reviewed_by", Text, nullable=False),
    Column("reviewed_at", UtcDateTime, nullable=False),
    Index("ix_detection_reviews_incident_id", "incident_id"),
)
"""What people said of incidents: verified, dismissed or escalated; nothing is overwritten."""

models = Table(
    "detection_models",
    metadata,
    Column("id", Text, primary_key=True),
    Column("body", JsonText, nullable=False),
)

CANDIDATE: Final = "candidate"
"""An episode of which no class is confirmed: remembered, but no incident. One of a later revision
was reported and then taken back, by frames that arrived late; people see it as superseded."""
OPEN: Final = "open"
ENDED: Final = "ended"
SUPERSEDED: Final = "superseded"
