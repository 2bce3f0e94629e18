"""Counts what happens and tells how all is."""
