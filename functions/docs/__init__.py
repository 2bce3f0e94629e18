"""Describes the whole API."""
