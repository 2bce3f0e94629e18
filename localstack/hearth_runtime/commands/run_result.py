"""What came of a run: incidents, reports, cameras, failures; files fetched, facts shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from rich.markup import escape
from rich.table import Table

from hearth_runtime.commands.jobs import reason
from hearth_runtime.commands.output import Output
from hearth_runtime.commands.run_wait import Settled
from hearth_runtime.commands.stack_client import Api

if TYPE_CHECKING:
    from hearth_runtime.watch.watcher import WatchSummary


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds: to a ready stack, of watching, from the first frame read to the last one judged, and
    from the last upload to the last report. `judged` frames were judged in this run; what an
    earlier run on the same data has judged is not judged again.
    """

    setup: float
    watch: float
    frames: float | None
    settle: float
    judged: int


def collect(
    api: Api,
    summaries: Sequence[WatchSummary],
    settled: Settled,
    timings: Timings,
    started_at: datetime,
    out: Path,
) -> dict[str, Any]:
    """Everything about a run as JSON facts; evidence and reports are fetched to `out`.

    Raises:
        CommandError: The stack does not answer.
    """
    out.mkdir(parents=True, exist_ok=True)
    incidents = [
        _incident(api, incident, out)
        for summary in summaries
        for incident in api.pages("/incidents", "incidents", camera_id=summary.camera)
        if _belongs(incident, summary)
    ]
    judged = {camera["camera_id"]: camera for camera in api.get("/cameras")["cameras"]}
    return {
        "ok": False,
        "complete": settled.complete and all(summary.complete for summary in summaries),
        "open_jobs": settled.open,
        "incidents": sorted(incidents, key=lambda i: (i["camera_id"], i["first_seen"])),
        "cameras": [
            {**judged.get(summary.camera, {}), "camera_id": summary.camera}
            | {"watch": summary.as_dict()}
            for summary in summaries
        ],
        "failed_jobs": [
            {name: job.get(name) for name in ("id", "kind", "dedupe_key", "attempts", "error")}
            for job in api.pages("/jobs", "jobs", state="failed")
            if _concerns(job, summaries, incidents, started_at)
        ],
        "timings": {
            "setup_seconds": round(timings.setup, 2),
            "watch_seconds": round(timings.watch, 2),
            "frames_seconds": None if timings.frames is None else round(timings.frames, 2),
            "frames_judged": timings.judged,
            "frames_per_second": (
                round(timings.judged / timings.frames, 1)
                if timings.frames and timings.judged
                else None
            ),
            "settle_seconds": round(timings.settle, 2),
        },
        "out": str(out),
    }


def show(output: Output, facts: dict[str, Any], zone: ZoneInfo) -> None:
    """The facts of a run as tables for a person, times in the site's zone."""
    if facts["incidents"]:
        output.out.print(_incident_table(facts["incidents"], zone))
    else:
        output.out.print("No incident.")
    output.out.print(_camera_table(facts["cameras"]))
    for camera in facts["cameras"]:
        model = camera.get("model") or {}
        notes = ". ".join(model.get("notes") or [])
        if model.get("fallback"):
            named = escape(f"{camera['camera_id']}: judged by the default model {model['name']}.")
            output.out.print(f"[yellow]{named}[/] {escape(notes)}.")
        elif notes:
            output.out.print(f"[yellow]{escape(camera['camera_id'])}:[/] {escape(notes)}.")
    for incident in facts["incidents"]:
        if incident["report"]:
            output.out.print(f"report   {escape(str(incident['report']))}")
        if incident["evidence_file"]:
            output.out.print(f"evidence {escape(str(incident['evidence_file']))}")
        if incident["clip_file"]:
            output.out.print(f"clip     {escape(str(incident['clip_file']))}")
    for (kind, why), keys in _alike(facts["failed_jobs"]).items():
        more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
        output.out.print(f"[bold red]failed[/] {kind} {escape(keys[0])}{more}: {escape(why)}")
    times = facts["timings"]
    rate = times["frames_per_second"]
    output.out.print(
        f"stack ready in {times['setup_seconds']} s; "
        + ("no new frame; " if rate is None else f"{rate} frames/s from file to verdict; ")
        + f"last report {times['settle_seconds']} s after the last upload"
    )


def _alike(jobs: Sequence[dict[str, Any]]) -> dict[tuple[str, str], list[str]]:
    """Failed jobs by kind and reason: a broken model or policy fails every frame alike."""
    groups: dict[tuple[str, str], list[str]] = {}
    for job in jobs:
        groups.setdefault((job["kind"], reason(job)), []).append(str(job["dedupe_key"]))
    return groups


def _incident(api: Api, incident: dict[str, Any], out: Path) -> dict[str, Any]:
    identity = incident["incident_id"]
    report = _fetch(api, f"/reports/{identity}/pdf", out / f"{identity}.pdf")
    evidence = _fetch(api, f"/incidents/{identity}/evidence", out / f"{identity}.jpg")
    clip = _fetch(api, f"/incidents/{identity}/clip", out / f"{identity}.gif")
    record = api.get_bytes(f"/reports/{identity}")
    written = record.json() if record.status < 400 else {}
    return {
        **incident,
        "report": str(report) if report else None,
        "evidence_file": str(evidence) if evidence else None,
        "clip_file": str(clip) if clip else None,
        "narrative": _narrative(written),
        "report_record": written,
    }


def _fetch(api: Api, path: str, target: Path) -> Path | None:
    answer = api.get_bytes(path)
    if answer.status == 404 or not answer.body:
        return None
    target.write_bytes(answer.body)
    return target


def _narrative(report: dict[str, Any]) -> str | None:
    """Who wrote the narrative: `rules`, or the language model's name."""
    narrative = report.get("narrative")
    source = narrative if isinstance(narrative, dict) else report
    kind = source.get("source") or source.get("narrative_source")
    model = source.get("model") or source.get("narrative_model")
    return str(model) if kind == "llm" and isinstance(model, str) else kind


def _belongs(incident: dict[str, Any], summary: WatchSummary) -> bool:
    """Whether an incident lies in the time that this run watched."""
    if summary.first_key is None or summary.last_key is None:
        return False
    first, last = (_key_time(key) for key in (summary.first_key, summary.last_key))
    seen = (
        datetime.fromisoformat(incident["first_seen"]),
        datetime.fromisoformat(incident["last_seen"]),
    )
    return incident["state"] != "superseded" and seen[1] >= first and seen[0] <= last


def _key_time(key: str) -> datetime:
    name = key.rpartition("/")[2].rpartition(".")[0]
    return datetime.strptime(f"{name}+0000", "%Y%m%dT%H%M%S.%fZ%z")


def _concerns(
    job: dict[str, Any],
    summaries: Sequence[WatchSummary],
    incidents: Sequence[dict[str, Any]],
    started_at: datetime,
) -> bool:
    """Whether a failed job is about this run: its frames, its incidents, or failed since then."""
    if datetime.fromisoformat(job["updated_at"]) >= started_at:
        return True
    subject = str(job["dedupe_key"]).partition(":")[2]
    for summary in summaries:
        first, end = summary.first_key, summary.end_key
        if first is not None and end is not None and first <= subject <= end:
            return True
    return any(str(incident["incident_id"]) in subject for incident in incidents)


def _incident_table(incidents: list[dict[str, Any]], zone: ZoneInfo) -> Table:
    table = Table(title="Incidents", title_justify="left")
    for column in ("incident", "camera", "zone", "violations", f"seen ({zone.key})", "report by"):
        table.add_column(column, overflow="fold")
    for incident in incidents:
        violations = "\n".join(
            f"{v['class_name']} {v['confidence']:.2f} (peak {v['peak_confidence']:.2f}, "
            f"{v['observations']} frames)"
            for v in incident["violations"]
        )
        table.add_row(
            incident["incident_id"],
            incident["camera_id"],
            incident["zone"] or "whole image",
            violations,
            _span(incident["first_seen"], incident["last_seen"], zone),
            incident["narrative"] or f"[yellow]{incident['state']}, no report[/]",
        )
    return table


def _camera_table(cameras: list[dict[str, Any]]) -> Table:
    table = Table(title="Cameras", title_justify="left")
    for column in ("camera", "read", "still", "stored", "judged", "people on", "verdicts", "by"):
        table.add_column(column, overflow="fold")
    for camera in cameras:
        watched = camera["watch"]
        verdicts = ", ".join(
            f"{n} {name}" for name, n in (camera.get("verdicts") or {}).items() if n
        )
        model = camera.get("model") or {}
        judged = str(camera.get("frames", 0))
        if dropped := camera.get("dropped_frames"):
            judged += f" ({dropped} dropped)"
        by = f"{model.get('name')} on {model.get('backend')}" if model else "-"
        table.add_row(
            camera["camera_id"],
            str(watched["frames_read"]),
            str(watched["frames_gated"]),
            str(watched["frames_sent"]),
            judged,
            str(camera.get("frames_with_person", 0)),
            verdicts or "-",
            escape(by) + (" (fallback)" if model.get("fallback") else ""),
        )
    return table


def _span(first: str, last: str, zone: ZoneInfo) -> str:
    """`2026-03-01 09:00:00 to 09:00:05`; the day of the end where it is another."""
    begin, end = (datetime.fromisoformat(time).astimezone(zone) for time in (first, last))
    format_ = "%H:%M:%S" if begin.date() == end.date() else "%Y-%m-%d %H:%M:%S"
    return f"{begin:%Y-%m-%d %H:%M:%S} to {end:{format_}}"
