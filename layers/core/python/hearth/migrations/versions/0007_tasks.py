"""Tasks, their history, comments and what they wait for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tasks",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("uid", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("tags", sa.Text, nullable=False),
        sa.Column("search", sa.Text, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("assignee", sa.Text),
        sa.Column("due_at", sa.Text, nullable=False),
        sa.Column("estimated_hours", sa.Float),
        sa.Column("actual_hours", sa.Float),
        sa.Column("progress", sa.Integer, nullable=False),
        sa.Column("parent_id", sa.Text),
        sa.Column("reminders", sa.Text, nullable=False),
        sa.Column("repeat_rule", sa.Text),
        sa.Column("repeat_start", sa.Text),
        sa.Column("occurrence", sa.Integer, nullable=False),
        sa.Column("next_id", sa.Text),
        sa.Column("source_report_id", sa.Text),
        sa.Column("source_incident_id", sa.Text),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("updated_at", sa.Text, nullable=False),
        sa.Column("completed_at", sa.Text),
        sa.Column("completed_by", sa.Text),
        sa.Column("seconds_open", sa.Integer),
    )
    # Each holds all that a list may filter by, so that no filter reads the table for what it drops.
    filters = ["id", "created_by", "assignee", "status", "priority", "category"]
    op.create_index("ix_tasks_created_at", "tasks", ["created_at", *filters, "due_at"])
    op.create_index("ix_tasks_updated_at", "tasks", ["updated_at", *filters, "due_at"])
    op.create_index("ix_tasks_due_at", "tasks", ["due_at", *filters])
    op.create_index(
        "ix_tasks_priority",
        "tasks",
        ["priority", "id", "created_by", "assignee", "status", "category", "due_at"],
    )
    op.create_index(
        "ix_tasks_stats",
        "tasks",
        ["status", "priority", "created_by", "assignee", "due_at", "seconds_open"],
    )
    op.create_index("ix_tasks_parent_id", "tasks", ["parent_id"])
    op.create_index("ix_tasks_uid", "tasks", ["uid"])
    op.create_table(
        "task_dependencies",
        sa.Column("task_id", sa.Text, primary_key=True),
        sa.Column("needs_id", sa.Text, primary_key=True),
    )
    op.create_index("ix_task_dependencies_needs_id", "task_dependencies", ["needs_id"])
    op.create_table(
        "task_locks",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("taken", sa.Integer, nullable=False),
    )
    op.create_table(
        "task_comments",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("task_id", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
    )
    op.create_index("ix_task_comments_task_id_id", "task_comments", ["task_id", "id"])
    op.create_table(
        "task_history",
        sa.Column("task_id", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column("changed_at", sa.Text, nullable=False),
        sa.Column("changes", sa.Text, nullable=False),
    )
    op.create_table(
        "task_reports",
        sa.Column("report_id", sa.Text, primary_key=True),
        sa.Column("task_id", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
    )
    op.create_table(
        "task_requests",
        sa.Column("principal_id", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("request_sha256", sa.Text, nullable=False),
        sa.Column("response", sa.Text),
        sa.Column("created_at", sa.Text, nullable=False),
    )
    op.create_index("ix_task_requests_created_at", "task_requests", ["created_at"])


def downgrade() -> None:
    for table in (
        "task_requests",
        "task_reports",
        "task_history",
        "task_comments",
        "task_locks",
        "task_dependencies",
        "tasks",
    ):
        op.drop_table(table)
