"""The tables of `tasks`, a module for each; every function takes the caller's transaction.

`viewer` is the user whose tasks are visible: those they created and those assigned to them; None
sees all.
"""

from functions.tasks.repository.tables import metadata

__all__ = ["metadata"]
