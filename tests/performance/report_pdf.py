"""Milliseconds of one incident PDF: ours, reportlab's platypus, and a batch through the function.

    python -m tests.performance.report_pdf [--json]

The peer lays out the same words, table and picture with platypus as its manual shows it (its
default, ASCII-encoded streams, and again with binary streams). One run, one process, medians. The
batch is ten jobs through the queue function's handler, with MiniStack as S3 and SQLite on disk.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from html import escape
from pathlib import Path
from zoneinfo import ZoneInfo

from reportlab import rl_config
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import Image, ListFlowable, Paragraph, SimpleDocTemplate, Spacer, Table

from functions.reports.email_delivery import EmailDelivery
from functions.reports.evidence_image import EvidenceImage
from functions.reports.guidance import guidance_for
from functions.reports.handler import make_handler
from functions.reports.narrative import local_time, rules_narrative
from functions.reports.pdf import incident_report
from functions.reports.worker import ReportWorker
from functions.reports.writer import NarrativeWriter
from hearth import migrations
from hearth.aws import client
from hearth.db import Database
from hearth.ledger.events import Publisher
from hearth.ledger.ledger import Ledger, NewJob
from hearth.logging import logger
from hearth.settings import AwsSettings
from hearth.storage import S3Store
from tests.support.fakes import LambdaContext, MemoryQueues, sqs_event
from tests.support.ministack import ministack
from tests.support.report_events import BUCKET, EVIDENCE_KEY, incident, jpeg, payload, violation_job

ZONE = ZoneInfo("Europe/Berlin")
REPEATS = 40
PICTURE = jpeg(640, 480)


def ours() -> bytes:
    event = incident()
    shown = EvidenceImage("Verified.", data=PICTURE, size=(640, 480), sha256="a" * 64)
    return incident_report(event, rules_narrative(event, ZONE), shown, ZONE)


def peer() -> bytes:
    event = incident()
    words = rules_narrative(event, ZONE)
    styles = getSampleStyleSheet()
    body, heading = styles["BodyText"], styles["Heading2"]

    def section(title: str, lines: tuple[str, ...]) -> list[object]:
        items = [Paragraph(escape(line), body) for line in lines]
        return [Paragraph(title, heading), ListFlowable(items)]

    rows = [["Violation", "Regulation", "Median", "Peak", "Seen", "First and last seen"]]
    for item in event.violations:
        times = f"{local_time(item.first_seen, ZONE)} {local_time(item.last_seen, ZONE)}"
        cells = [guidance_for(item.class_name).title, item.osha_regulation or "", times]
        what, regulation, when = (Paragraph(escape(cell), body) for cell in cells)
        numbers = [f"{item.confidence:.2f}", f"{item.peak_confidence:.2f}", item.observations]
        rows.append([what, regulation, *numbers, when])
    story = [
        Paragraph(f"Safety incident report {event.incident_id}", styles["Title"]),
        Image(io.BytesIO(PICTURE), 340, 255),
        Table(rows, colWidths=[120, 90, 50, 50, 50, 130]),
        Spacer(1, 8),
        Paragraph("Summary", heading),
        Paragraph(escape(words.summary), body),
        *section("Hazards", words.hazards),
        *section("Corrective actions", words.corrective_actions),
        *section("Follow-up", words.follow_up),
        *section(
            "Regulation",
            tuple(guidance_for(item.class_name).requirement for item in event.violations),
        ),
    ]
    buffer = io.BytesIO()
    SimpleDocTemplate(buffer, pagesize=A4).build(story)
    return buffer.getvalue()


def median_ms(make: Callable[[], object], repeats: int = REPEATS) -> float:
    for _ in range(3):
        make()
    samples = []
    for _ in range(repeats):
        began = time.perf_counter()
        make()
        samples.append((time.perf_counter() - began) * 1000)
    return statistics.median(samples)


def batch_ms(folder: Path, batches: int = 15) -> float:
    """Median milliseconds of a batch of ten report jobs through the handler."""
    url = f"sqlite:///{folder}/hearth.db"
    migrations.upgrade(url)
    with ministack(folder / "ministack") as endpoint:
        s3 = client("s3", AwsSettings(aws_endpoint_url=endpoint))
        s3.create_bucket(Bucket=BUCKET)
        store = S3Store(s3, BUCKET)
        sha256 = store.put(EVIDENCE_KEY, PICTURE, "image/jpeg")
        db = Database(url)
        ledger = Ledger(db, MemoryQueues(), publisher=Publisher("reports", {}))
        service = ReportWorker(db, store, BUCKET, ZONE, NarrativeWriter(ZONE))
        logger.setLevel("ERROR")
        handler = make_handler(ledger, service, EmailDelivery(db, store, ZONE, None, None))
        samples = []
        for number in range(batches):
            new = [_job(number * 10 + index, sha256) for index in range(10)]
            jobs = db.write(lambda tx, new=new: ledger.add(tx, new))  # type: ignore[misc]
            event = sqs_event(*({"job_id": job.id, "kind": job.kind} for job in jobs))
            began = time.perf_counter()
            with contextlib.redirect_stdout(io.StringIO()):  # metrics
                handler(event, LambdaContext(60))
            samples.append((time.perf_counter() - began) * 1000)
        done = ledger.summary()["safety.violation.detected"]
        if done != {"done": batches * 10}:
            raise AssertionError(f"not every report was made: {done}")
        db.close()
    return statistics.median(samples[2:])


def _job(number: int, sha256: str) -> NewJob:
    event = payload(incident_id=f"01KASVZEBRY4C1W9T6P0X{number:05}")
    event["evidence"]["sha256"] = sha256
    return violation_job(event)


def main() -> None:
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "test")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "test")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    figures = {"pdf_ms": median_ms(ours), "platypus_binary_ms": median_ms(peer)}
    rl_config.useA85 = 1
    figures["platypus_default_ms"] = median_ms(peer)
    rl_config.useA85 = 0
    with tempfile.TemporaryDirectory() as folder:
        figures["batch_of_10_ms"] = batch_ms(Path(folder))
    figures["reports_per_minute_one_worker"] = 600_000 / figures["batch_of_10_ms"]
    figures["times_faster_than_platypus"] = figures["platypus_default_ms"] / figures["pdf_ms"]
    rounded = {name: round(value, 2) for name, value in figures.items()}
    if as_json:
        print(json.dumps(rounded))
    else:
        for name, value in rounded.items():
            print(f"{name:32} {value:10,.2f}")


if __name__ == "__main__":
    main()
