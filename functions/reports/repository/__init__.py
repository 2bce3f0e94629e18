"""The tables of reports and every statement on them, in the caller's transaction."""

from functions.reports.repository.tables import metadata

__all__ = ["metadata"]
