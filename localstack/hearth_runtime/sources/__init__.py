"""Event sources: queues, schedules, custom resources."""
