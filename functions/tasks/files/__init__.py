"""Tasks as files: CSV and iCalendar."""
