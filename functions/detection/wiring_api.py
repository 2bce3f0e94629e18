"""Composition root of the API; what draws is loaded when the first snapshot is asked for."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from fastapi import FastAPI

from functions.detection.api import create_app
from functions.detection.cameras import list_policy_entries
from functions.detection.intake.policy_source import PolicySource
from functions.detection.policy import SiteProfile
from functions.detection.queries import Queries
from functions.detection.settings import ApiSettings
from hearth.bootstrap import Platform

if TYPE_CHECKING:
    from functions.detection.incidents.evidence import FaceFinder
    from functions.detection.snapshot import SnapshotService


def build_api(platform: Platform, settings: ApiSettings) -> FastAPI:
    """Builds the HTTP application."""

    @cache
    def snapshots() -> SnapshotService:
        return build_snapshots(platform, settings)

    return create_app(Queries(platform, lambda camera_id: snapshots().draw(camera_id)))


def build_snapshots(platform: Platform, settings: ApiSettings) -> SnapshotService:
    """Builds what draws a camera's latest image."""
    # OpenCV and the detector of faces: only this route pays for them.
    from functions.detection.incidents.settling import face_settings
    from functions.detection.snapshot import SnapshotService
    from hearth_vision.faces import HaarFaces, load_center_face
    from hearth_vision.images import ImageLimits

    policies = PolicySource(
        settings.policy,
        settings.bucket,
        lambda: platform.store,
        entries=lambda: platform.db.read(list_policy_entries),
        profile=SiteProfile(settings.site_profile),
    )

    @cache
    def faces() -> tuple[FaceFinder | None, str | None]:
        return face_settings(
            settings.blur_faces,
            lambda: load_center_face(settings.default_models, settings.threads),
            HaarFaces,
        )

    return SnapshotService(
        platform,
        policies.current,
        faces,
        ZoneInfo(settings.timezone),
        ImageLimits(settings.max_image_bytes, settings.max_image_pixels),
    )
