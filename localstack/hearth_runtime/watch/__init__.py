"""Brings camera frames into the bucket: files, folders, streams and devices."""

from hearth_runtime.watch.errors import SourceError, StoreError, WatchError
from hearth_runtime.watch.watcher import WatchConfig, WatchSummary, watch

__all__ = ["SourceError", "StoreError", "WatchConfig", "WatchError", "WatchSummary", "watch"]
