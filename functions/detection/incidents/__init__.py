"""Incidents: recording, settling and closing them, their event and their evidence."""
