"""Copies everything that a stack keeps into one file, and back into a folder."""
