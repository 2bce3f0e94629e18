"""Backends that run tensor programs; each module imports exactly one runtime."""
