"""The incident report as a PDF: facts from the event, words from the narrative, nothing else.

The bytes are a pure function of the arguments: no clock, no random ids. Times are printed in the
site's time zone and in UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from functions.reports import pdf_layout as page
from functions.reports.evidence_image import EvidenceImage
from functions.reports.guidance import guidance_for
from functions.reports.narrative import both_times, local_time, utc_time
from functions.reports.pdf_layout import BODY, BOLD, CELL, CELL_BOLD, LABEL, MARGIN, SMALL, Cell
from functions.reports.pdf_text import MISSING, Style, unavailable, wrap
from functions.reports.schemas import IncidentEvent, Narrative, Violation
from hearth.text import clean

_NOT_STATED = "not stated"
_TITLE = Style(size=19, leading=24, bold=True, color=page.WHITE)
_SUBTITLE = Style(size=8.5, leading=12, color=(0.80, 0.86, 0.91))
_END_REASONS = {
    "gap": "nothing more was seen",
    "stream_end": "the recording ended",
    "silence": "the camera fell silent",
    "max_duration": "it goes on; this report is as of now",
}
_STATEMENT = (
    "This report was generated automatically from camera pictures. It is not a finding: a "
    "competent person must compare it with the evidence and the place itself, and confirm or "
    "reject it below, before anyone is held responsible for anything."
)


def incident_report(
    event: IncidentEvent, narrative: Narrative, image: EvidenceImage, zone: ZoneInfo
) -> bytes:
    """Lay the report of one incident out on A4 pages.

    Args:
        event: The facts.
        narrative: The words, and who wrote them.
        picture: The evidence, or why there is none.
        zone: Time zone of the site.
    """
    with page.RENDERING:
        layout = page.Layout(f"Report {event.incident_id}, revision {event.revision}")
        _header(layout, event, zone)
        _facts(layout, event, zone)
        _evidence(layout, event, image, zone)
        _seen(layout, event, zone)
        _unjudged(layout, event)
        _words(layout, narrative)
        _regulations(layout, event)
        _verification(layout, event, zone)
        _provenance(layout, event, narrative, image)
        return layout.render(
            title=f"Safety incident report {event.incident_id}",
            subject=f"Camera {event.camera_id}"
            + (f", zone {event.zone}" if event.zone else "")
            + f", {utc_time(event.first_seen)}, revision {event.revision}",
            author=event.site.company_name or "Hearth",
            keywords=", ".join(sorted({item.class_name for item in event.violations})),
            created=event.last_seen,
        )


def _header(layout: page.Layout, event: IncidentEvent, zone: ZoneInfo) -> None:
    height = 70.0
    bottom = page.PAGE_HEIGHT - height
    layout.box(0, bottom, page.PAGE_WIDTH, height, fill=page.ACCENT)
    layout.text(MARGIN, bottom + 34, "Safety incident report", _TITLE)
    layout.text(
        MARGIN,
        bottom + 17,
        f"Report {event.incident_id}  \N{MIDDLE DOT}  revision {event.revision}",
        _SUBTITLE,
    )
    right = MARGIN + page.CONTENT
    layout.text(right, bottom + 40, local_time(event.last_seen, zone), _SUBTITLE, right=True)
    layout.text(right, bottom + 17, "Unverified until signed", _SUBTITLE, right=True)
    layout.y = bottom - 14


def _facts(layout: page.Layout, event: IncidentEvent, zone: ZoneInfo) -> None:
    reason = _END_REASONS.get(event.end_reason, event.end_reason) or _NOT_STATED
    facts = [
        ("Company", event.site.company_name or _NOT_STATED),
        ("Camera", event.camera_id),
        ("Site", event.site.site_name or _NOT_STATED),
        ("Zone", event.zone or "whole picture"),
        ("Location", event.site.site_location or _NOT_STATED),
        ("People", _people(event)),
        ("First seen", "\n".join(both_times(event.first_seen, zone))),
        ("Last seen", "\n".join(both_times(event.last_seen, zone))),
        ("Frames examined", _number(event.frames_observed)),
        ("Ended because", reason),
    ]
    half = page.CONTENT / 2
    label = 82.0
    for left, right in zip(facts[::2], facts[1::2], strict=True):
        cells = [
            (x, name, [line for part in value.split("\n") for line in _wrapped(part, half, label)])
            for x, (name, value) in ((MARGIN, left), (MARGIN + half, right))
        ]
        layout.ensure(BODY.leading * min(max(len(lines) for _, _, lines in cells), 30) + 3)
        for x, name, lines in cells:
            layout.text(x, layout.y - 9, name, LABEL)
            for number, line in enumerate(lines[:30]):
                layout.text(x + label, layout.y - 9 - number * BODY.leading, line, BODY)
        layout.gap(BODY.leading * max(len(lines[:30]) for _, _, lines in cells) + 3)


def _people(event: IncidentEvent) -> str:
    at_once = _number(event.persons_max, "at most ")
    if event.persons_max is not None:
        at_once += " at a time"
    return at_once if event.persons_seen is None else f"{event.persons_seen:,} seen, {at_once}"


def _wrapped(text: str, half: float, label: float) -> list[str]:
    return wrap(clean(text), BODY, half - label - 10)


def _evidence(
    layout: page.Layout, event: IncidentEvent, image: EvidenceImage, zone: ZoneInfo
) -> None:
    layout.heading("Evidence", keep=230 if image.data else 60)
    if image.data is not None:
        layout.image(image.data, image.size, max_height=min(255.0, layout.room - 50))
        layout.gap(4)
        captured = event.peak.captured_at
        layout.paragraph(
            f"Peak frame, {' = '.join(both_times(captured, zone))}. " + " ".join(_privacy(event)),
            SMALL,
        )
        layout.paragraph(image.statement, SMALL)
        if event.evidence is not None and event.evidence.clip_key:
            layout.paragraph(
                "A clip of what was before and after it is kept beside it: "
                f"/api/v1/incidents/{event.incident_id}/clip",
                SMALL,
            )
    else:
        lines = wrap(clean(image.statement), BOLD, page.CONTENT - 24)
        height = len(lines) * BOLD.leading + 16
        layout.ensure(height)
        layout.gap(height)
        layout.box(MARGIN, layout.y, page.CONTENT, height, fill=page.PALE, stroke=page.LINE)
        for number, line in enumerate(lines, 1):
            layout.text(MARGIN + 12, layout.y + height - 6 - number * BOLD.leading + 3, line, BOLD)


def _privacy(event: IncidentEvent) -> Iterator[str]:
    evidence = event.evidence
    if evidence is None:
        return
    if evidence.faces_blurred is None:
        yield "Faces are not blurred."
    else:
        method = f" ({evidence.blur_method})" if evidence.blur_method else ""
        yield f"Faces found and blurred: {evidence.faces_blurred}{method}."
    if evidence.note:
        yield evidence.note


def _seen(layout: page.Layout, event: IncidentEvent, zone: ZoneInfo) -> None:
    layout.heading("What was seen", keep=70)
    columns = [
        page.Column("Violation", 34),
        page.Column("Regulation", 20),
        page.Column("Median", 9, right=True),
        page.Column("Peak", 8, right=True),
        page.Column("Seen", 8, right=True),
        page.Column("First and last seen", 30),
    ]
    layout.table(columns, [_violation_row(item, zone) for item in event.violations])
    layout.gap(3)
    layout.paragraph(
        "Median and peak are the detector's own confidence (0 to 1) over the observations counted "
        "under Seen. They rank detections; they are not the probability that a rule was broken.",
        SMALL,
    )


def _violation_row(violation: Violation, zone: ZoneInfo) -> list[Cell]:
    guidance = guidance_for(violation.class_name)
    what: list[tuple[str, Style]] = [(guidance.title, CELL_BOLD)]
    if violation.description and violation.description != guidance.title:
        what.append((violation.description, CELL))
    regulation = violation.osha_regulation or guidance.regulation or "site policy"
    first, last = violation.first_seen, violation.last_seen
    times: list[tuple[str, Style]] = [(local_time(first, zone), CELL)]
    if last != first:
        times.append((local_time(last, zone), CELL))
    if len(both_times(last, zone)) > 1:
        times.append(
            (f"UTC {first:%H:%M:%S}" + (f" to {last:%H:%M:%S}" if last != first else ""), SMALL)
        )
    return [
        Cell(tuple(what)),
        Cell(((regulation, CELL),)),
        Cell(((f"{violation.confidence:.2f}", CELL),)),
        Cell(((f"{violation.peak_confidence:.2f}", CELL),)),
        Cell(((f"{violation.observations:,}", CELL),)),
        Cell(tuple(times)),
    ]


def _unjudged(layout: page.Layout, event: IncidentEvent) -> None:
    layout.heading("What could not be judged", keep=75)
    if not event.indeterminate:
        layout.paragraph("Nothing that the site's policy asks for was left unjudged.")
        return
    layout.table(
        [page.Column("Item", 30), page.Column("Reason", 70)],
        [
            [Cell(((item.item, CELL_BOLD),)), Cell(((item.reason, CELL),))]
            for item in event.indeterminate
        ],
    )


def _words(layout: page.Layout, narrative: Narrative) -> None:
    layout.heading("Summary")
    layout.paragraph(narrative.summary)
    layout.heading("Hazards")
    layout.bullets(narrative.hazards)
    layout.heading("Corrective actions")
    layout.bullets(narrative.corrective_actions, numbered=True)
    layout.heading("Follow-up")
    layout.bullets(narrative.follow_up)


def _regulations(layout: page.Layout, event: IncidentEvent) -> None:
    layout.heading("Regulation")
    for class_name in dict.fromkeys(item.class_name for item in event.violations):
        guidance = guidance_for(class_name)
        layout.ensure(3 * BODY.leading)
        layout.paragraph(f"{guidance.regulation or 'Site policy'}: {guidance.title.lower()}", BOLD)
        layout.paragraph(guidance.requirement)
        layout.gap(3)
    layout.paragraph("Described in our own words; only the published text binds.", SMALL)


def _verification(layout: page.Layout, event: IncidentEvent, zone: ZoneInfo) -> None:
    layout.heading("Verification by a person", keep=175)
    if review := event.review:
        layout.paragraph(
            f"{review.verdict.capitalize()} by {clean(review.reviewed_by)}, "
            f"{local_time(review.reviewed_at, zone)}: {clean(review.reason)}",
            BOLD,
        )
    layout.paragraph(_STATEMENT)
    layout.gap(8)
    for index, choice in enumerate(("Confirmed", "Rejected", "Could not be decided")):
        x = MARGIN + index * 130
        layout.box(x, layout.y - 11, 9, 9, stroke=page.MUTED)
        layout.text(x + 15, layout.y - 10, choice, BODY)
    layout.gap(22)
    layout.text(MARGIN, layout.y - 9, "Remarks", LABEL)
    layout.rule(MARGIN + 50, MARGIN + page.CONTENT, layout.y - 11)
    layout.gap(48)
    third = page.CONTENT / 3
    for index, name in enumerate(("Name", "Date", "Signature")):
        x = MARGIN + index * third
        layout.rule(x, x + third - 14, layout.y, page.MUTED)
        layout.text(x, layout.y - 11, name, LABEL)
    layout.gap(16)


def _provenance(
    layout: page.Layout, event: IncidentEvent, narrative: Narrative, image: EvidenceImage
) -> None:
    layout.heading("How this report was made", keep=90)
    if narrative.source == "llm":
        author = f"language model {narrative.model or _NOT_STATED}; facts and table by rules"
    else:
        author = "rules"
    lines = [f"Generated by: {author}."]
    if narrative.note:
        lines.append(f"Note: {narrative.note}")
    model = event.model
    prefix = f"{model.sha256[:16]}\N{HORIZONTAL ELLIPSIS}" if model.sha256 else _NOT_STATED
    lines.append(
        f"Detector: {model.name or _NOT_STATED}, SHA-256 {prefix}, "
        f"method {model.method or _NOT_STATED}, backend {model.backend or _NOT_STATED}, "
        f"{f'variant {model.variant} in {model.precision}, ' if model.precision else ''}"
        f"{model.classes} {'class' if model.classes == 1 else 'classes'}, "
        f"{'FALLBACK, not a trained equipment model' if model.fallback else 'no fallback'}."
    )
    lines.extend(f"Detector note: {note}" for note in model.notes)
    limits = event.thresholds
    lines.append(
        f"Thresholds: detection confidence {_number(limits.confidence)}, overlap (IoU) "
        f"{_number(limits.iou)}, incident score {_number(limits.episode_score)}, "
        f"observations {_number(limits.min_observations)}."
    )
    if event.peak.frame_key:
        lines.append(f"Peak frame: {event.peak.frame_key}.")
    lines.append(f"Evidence SHA-256: {image.sha256 or 'none, no picture was read'}.")
    lines.append(f"Event {event.event_id}, recorded until {utc_time(event.last_seen)}.")
    missing = sum(unavailable(text) for text in _texts(event, narrative))
    if missing:
        lines.append(
            f"{missing} characters in names or texts are in scripts that this report's fonts "
            f"cannot show; they appear as {MISSING}, the stored record has them."
        )
    for line in lines:
        layout.paragraph(line, SMALL)


def _texts(event: IncidentEvent, narrative: Narrative) -> Iterator[str]:
    yield from (event.site.company_name, event.site.site_name, event.site.site_location)
    yield from (event.camera_id, event.zone or "", narrative.summary)
    yield from (item.description for item in event.violations)
    yield from (text for item in event.indeterminate for text in (item.item, item.reason))
    yield from (*narrative.hazards, *narrative.corrective_actions, *narrative.follow_up)
    yield from event.model.notes


def _number(value: float | None, prefix: str = "") -> str:
    if value is None:
        return _NOT_STATED
    return f"{prefix}{value:,}" if isinstance(value, int) else f"{prefix}{value:g}"
