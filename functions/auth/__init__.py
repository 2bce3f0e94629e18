"""Knows users, sessions and keys, and tells the API who calls."""
