"""`python -m hearth_runtime` is `hearth`."""

from hearth_runtime.cli import app

app(prog_name="hearth")
