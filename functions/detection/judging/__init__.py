"""Judges people on frames: equipment, zones, verdicts and tracks. Pure functions."""
