"""Fitted models on file: skops, which names the types it holds and runs none of them to load."""
