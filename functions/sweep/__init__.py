"""Re-sends lost jobs and finds frames that no notification announced."""
