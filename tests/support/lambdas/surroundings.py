"""Tells what a function finds around it: who it is, what it may do, what it can write."""

import os
import pathlib


def lambda_handler(event, context):
    """`write` lists paths to try, `read` one to return."""
    status = dict(
        line.split(":", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines()
    )
    return {
        "user": [os.getuid(), os.getgid()],
        "capabilities": int(status["CapBnd"], 16) | int(status["CapEff"], 16),
        "no_new_privileges": status["NoNewPrivs"].strip() == "1",
        "sockets": [str(path) for path in pathlib.Path("/").glob("**/docker.sock")],
        "written": [path for path in event.get("write", ()) if writable(path)],
        "read": pathlib.Path(event["read"]).read_text() if "read" in event else None,
    }


def writable(path):
    try:
        with pathlib.Path(path).open("a"):
            return True
    except OSError:
        return False
