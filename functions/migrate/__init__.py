"""Brings the database schema to the newest version."""
