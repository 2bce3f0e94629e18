"""Finds people and missing equipment on camera frames."""
