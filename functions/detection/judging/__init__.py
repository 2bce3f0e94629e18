"""What one frame says: equipment, zones, verdicts and tracks. Pure functions."""
