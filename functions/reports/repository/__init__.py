"""Everything of `reports` that touches tables, one module for each thing that is stored."""

from functions.reports.repository.tables import metadata

__all__ = ["metadata"]
