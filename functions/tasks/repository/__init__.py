"""Everything of `tasks` that touches tables, one module for each thing that is stored.

`viewer` is whose tasks are seen: those that they created and those assigned to them; None sees all.
Every function takes the caller's transaction.
"""

from functions.tasks.repository.tables import metadata

__all__ = ["metadata"]
