"""The commands of `hearth`, one module each."""
