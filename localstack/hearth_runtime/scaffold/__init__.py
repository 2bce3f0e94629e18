"""Writes the skeleton of a capability: files, template block, migration, tests."""
