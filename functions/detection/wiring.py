"""Composition root of the queue function; nothing is loaded before it is needed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from aws_lambda_powertools.metrics import MetricUnit

from functions.detection.cameras import list_policy_entries
from functions.detection.handler import make_handler
from functions.detection.incidents.alerting import AlertService
from functions.detection.incidents.closing import (
    TASK_COMPLETED,
    TASK_REOPENED,
    close_incident,
    reopen_incident,
)
from functions.detection.incidents.presence import PRESENCE, PresenceService
from functions.detection.incidents.reviewing import REVIEW
from functions.detection.incidents.settle_jobs import ALERT, SETTLE
from functions.detection.incidents.settling import EvidenceSettings, SettleService, face_settings
from functions.detection.intake.model_source import ModelSource
from functions.detection.intake.policy_source import PolicySource
from functions.detection.policy import SiteProfile
from functions.detection.prune import PruneService
from functions.detection.schemas import DropReason, Site
from functions.detection.settings import Settings
from functions.detection.worker import FrameWorker
from hearth.bootstrap import Platform
from hearth.frames import FrameKind
from hearth.ledger.consumer import Consumer, Work, each
from hearth.logging import emit
from hearth.retention import PRUNE, Retention
from hearth_vision.backends.compile_cache import default_folder
from hearth_vision.detector import DetectorConfig
from hearth_vision.faces import HaarFaces, load_center_face
from hearth_vision.images import ImageLimits
from hearth_vision.loading import class_names


def build(platform: Platform, settings: Settings) -> Consumer:
    """Builds the Lambda handler of the detection queue."""
    site = ZoneInfo(settings.timezone)
    limits = ImageLimits(settings.max_image_bytes, settings.max_image_pixels)
    policies = PolicySource(
        settings.policy,
        settings.bucket,
        lambda: platform.store,
        entries=lambda: platform.db.read(list_policy_entries),
        profile=SiteProfile(settings.site_profile),
    )

    models = ModelSource(
        settings.model_path,
        lambda: detector_config(settings),
        settings.bucket,
        lambda: platform.store,
    )

    names = Site(
        site_name=settings.site_name,
        site_location=settings.site_location,
        company_name=settings.company_name,
    )

    @cache
    def evidence() -> EvidenceSettings:
        faces, note = face_settings(
            settings.blur_faces,
            lambda: load_center_face(settings.default_models, settings.threads),
            HaarFaces,
        )
        return EvidenceSettings(
            settings.bucket, names, site, limits, faces, note, settings.evidence_clip_seconds
        )

    frames = FrameWorker(
        platform.ledger,
        platform.store,
        models.current,
        policies.current,
        site,
        limits,
        report_metrics,
        threads=settings.fetch_threads,
        policy_problem=lambda: policies.problem,
        names=names,
    )
    settling = SettleService(platform.ledger, platform.store, policies.current, evidence)
    alerts = AlertService(platform.ledger, platform.store, policies.current, evidence)
    presence = PresenceService(platform.ledger, policies.current, names)
    pruning = PruneService(platform.db, Retention(settings.frame_retention_days))
    return make_handler(platform.ledger, work_by_kind(frames, settling, alerts, presence, pruning))


def work_by_kind(
    frames: FrameWorker,
    settling: SettleService,
    alerts: AlertService,
    presence: PresenceService,
    pruning: PruneService,
) -> Mapping[str, Work]:
    """The work of each kind of job."""
    return {
        FrameKind.FRAME.value: frames.judge_frames,
        FrameKind.END.value: each(frames.end_stream),
        SETTLE: settling.work,
        ALERT: each(alerts.alert),
        REVIEW: each(settling.tell_of_review),
        PRESENCE: each(presence.check),
        PRUNE: pruning.work,
        TASK_COMPLETED: each(close_incident),
        TASK_REOPENED: each(reopen_incident),
    }


def detector_config(settings: Settings) -> DetectorConfig:
    """How to load the model that `ModelSource` finds.

    Raises:
        ModelFailed: the class names cannot be read.
    """
    return DetectorConfig(
        default_models=settings.default_models,
        classes=class_names(settings.model_classes),
        backend=settings.model_backend,
        confidence=settings.confidence_threshold,
        iou=settings.iou_threshold,
        max_detections=settings.max_detections,
        threads=settings.threads,
        cache=cache_folder(settings.model_cache),
    )


def cache_folder(setting: str) -> Path | None:
    """Where compiled models are kept, if anywhere."""
    if setting == "off":
        return None
    return Path(setting) if setting else default_folder()


def report_metrics(
    frames: int, persons: int, inference_ms: float, dropped: Mapping[DropReason, int]
) -> None:
    """Emit the metrics of one batch."""
    for reason, number in dropped.items():
        if number:
            emit({"FramesDropped": (float(number), MetricUnit.Count)}, reason=reason)
    if frames:
        emit(
            {
                "Frames": (float(frames), MetricUnit.Count),
                "Persons": (float(persons), MetricUnit.Count),
                "InferenceTime": (inference_ms, MetricUnit.Milliseconds),
            }
        )
