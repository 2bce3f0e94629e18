"""What `reports` declares: permissions, jobs, events and tables."""

from __future__ import annotations

from hearth.capability import Capability, Published

CAPABILITY = Capability(
    name="reports",
    functions=("reports", "reports-api"),
    permissions={"reports:read": "guest"},
    queue="reports",
    # Their rows are what prevents a second e-mail.
    jobs={"reports.digest": "always", "reports.email": "always"},
    publishes=(Published("safety.report.ready", "schemas:ReportReady"),),
    subscribes=("safety.violation.detected", "task.created"),
    tables=(
        "report_digests",
        "report_emails",
        "report_narratives",
        "reports",
    ),
)
