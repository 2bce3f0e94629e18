"""Incident episodes: recording, settling, closing, and what leaves the function of them."""
