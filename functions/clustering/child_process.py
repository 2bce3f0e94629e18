"""Runs work in a child process, which is killed when its time is over.

An algorithm is one call into native code that no thread can interrupt: an abandoned thread would go
on computing beside the next request. A forked process costs some milliseconds, fails alone when it
takes too much memory or crashes, and frees all of it.

Work too small to need a limit runs in the parent, without OpenMP's threads, which do not survive a
fork. The child uses no connection of the parent and ends without running exit handlers.
"""

from __future__ import annotations

import ctypes
import json
import multiprocessing
import signal
import time
import warnings
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection

from hearth import errors
from hearth.errors import HearthError, ModelFailed, TimedOut
from hearth.logging import logger

ReportProgress = Callable[[str, float], None]
"""Called with the next stage and the progress, 0..1."""
Work = Callable[[ReportProgress], Sequence[bytes]]

POLL_INTERVAL_S = 1.0
_OK, _ERROR, _STAGE = b"ok", b"error", b"stage"
_PR_SET_PDEATHSIG = 1
_KINDS: dict[str, type[HearthError]] = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, HearthError)
}


class ProcessDied(ModelFailed):
    """The child ended without an answer: killed by a signal, or crashed in native code."""


def run_in_child_process(
    work: Work, seconds: float, what: str, watch: ReportProgress | None = None
) -> list[bytes]:
    """Run `work` in a child process and return its result.

    Args:
        work: Called in the child; its changes to memory stay there.
        seconds: The time limit.
        what: The name of the work in errors.
        watch: Called once a second with the stage that the child reported last; an exception
            that it raises ends the child.

    Raises:
        TimedOut: The work took longer and was killed.
        ProcessDied: The child ended without an answer.
        ModelFailed: The work crashed.
        HearthError: The error that `work` raised, by its code.
    """
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_in_child, args=(work, theirs, what), daemon=True)
    with warnings.catch_warnings():
        # Python warns of threads at a fork; ours are OpenBLAS's, which handles forks itself
        # (pthread_atfork).
        warnings.simplefilter("ignore", DeprecationWarning)
        child.start()
    theirs.close()
    try:
        return _wait_for_result(ours, seconds, what, watch)
    except EOFError as error:
        child.join(1)
        raise ProcessDied(
            f"{what} died ({_describe_exit(child.exitcode)}); it may have needed too much memory"
        ) from error
    finally:
        ours.close()
        child.kill()
        child.join()
        child.close()


def run_in_this_process(work: Work, what: str) -> list[bytes]:
    """Run `work` in this process, for work that is small enough to need no time limit.

    A forked child starts with cold pages and caches of scikit-learn; a thousand rows take it four
    times as long.

    Raises:
        ModelFailed: The work crashed.
        HearthError: The error that `work` raised.
    """
    from functions.clustering.algorithms.threads import one_openmp_thread

    try:
        with one_openmp_thread():
            return list(work(lambda _, __: None))
    except HearthError:
        raise
    except Exception as error:
        raise _crash_error(error, what) from error


def _wait_for_result(
    ours: Connection, seconds: float, what: str, watch: ReportProgress | None
) -> list[bytes]:
    ends = time.monotonic() + seconds
    stage, done = "", 0.0
    while True:
        left = ends - time.monotonic()
        if left <= 0:
            raise TimedOut(
                f"{what} took longer than {seconds:g} s and was ended; send fewer rows, or put "
                "them in S3 and give their address as input"
            )
        if ours.poll(min(left, POLL_INTERVAL_S)):
            kind = ours.recv_bytes()
            parts = [ours.recv_bytes() for _ in range(int(ours.recv_bytes()))]
            if kind == _OK:
                return parts
            received = json.loads(parts[0])
            if kind == _ERROR:
                raise _KINDS.get(received["code"], ModelFailed)(
                    received["message"], details=received["details"]
                )
            stage, done = received
        if watch is not None:
            watch(stage, done)


def _in_child(work: Work, theirs: Connection, what: str) -> None:
    # The child must not outlive a parent that was killed.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def tell(stage: str, done: float) -> None:
        _send(theirs, _STAGE, [json.dumps([stage, done]).encode()])

    try:
        _send(theirs, _OK, work(tell))
    except HearthError as error:
        problem = {"code": error.code, "message": error.message, "details": list(error.details)}
        _send(theirs, _ERROR, [json.dumps(problem).encode()])
    except Exception as error:
        crashed = _crash_error(error, what)
        problem = {"code": crashed.code, "message": crashed.message, "details": []}
        _send(theirs, _ERROR, [json.dumps(problem).encode()])


def _crash_error(error: Exception, what: str) -> ModelFailed:
    logger.exception("an algorithm crashed", what=what)
    return ModelFailed(f"{what} crashed with {type(error).__name__}; see the log")


def _send(theirs: Connection, kind: bytes, parts: Sequence[bytes]) -> None:
    theirs.send_bytes(kind)
    theirs.send_bytes(str(len(parts)).encode())
    for part in parts:
        theirs.send_bytes(part)


def _describe_exit(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"
