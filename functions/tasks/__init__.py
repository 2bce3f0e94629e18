"""Keeps tasks, reminds of them, and makes them of safety reports."""
