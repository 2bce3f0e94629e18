"""Counts events and reports the system's health."""
