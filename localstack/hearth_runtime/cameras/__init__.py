"""Cameras that the stack watches by itself: one watcher process for each enabled row."""
