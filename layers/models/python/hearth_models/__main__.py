"""`python -m hearth_models …`, which `hearth models …` runs."""

from hearth_models.cli import app

app(prog_name="hearth models")
