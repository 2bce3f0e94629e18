"""Brings camera frames into the bucket: files, folders, streams and devices.

`watcher.watch` is the way in. Nothing is imported here: it would cost every command of the CLI, and
the runtime's own process, the memory of OpenCV and Pillow.
"""
