"""Work with a hard end: in a process of its own, which is killed when its time is over.

An algorithm is one call into native code that no thread can interrupt: a thread that was given up
would go on computing beside the next request. A forked process costs some milliseconds, dies alone
when it takes too much memory or crashes, and gives all of it back.

What is too small to need an end is computed in the parent, without OpenMP's threads, which no fork
survives. The child touches no connection of the parent's, and ends without running anybody's
clean-up.
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

Tell = Callable[[str, float], None]
"""Says which stage comes next, and how far the whole is, 0..1."""
Work = Callable[[Tell], Sequence[bytes]]

LOOK_EVERY_S = 1.0
_OK, _ERROR, _STAGE = b"ok", b"error", b"stage"
_PR_SET_PDEATHSIG = 1
_KINDS: dict[str, type[HearthError]] = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, HearthError)
}


class Died(ModelFailed):
    """The child ended without an answer: killed by a signal, or by native code."""


def run_bounded(work: Work, seconds: float, what: str, watch: Tell | None = None) -> list[bytes]:
    """What `work` returns, from a child process.

    Args:
        work: Called in the child; what it changes stays there.
        seconds: How long it may take.
        what: Its name, for errors.
        watch: Called here once a second with the stage that the child has told last; what it
            raises ends the child.

    Raises:
        TimedOut: It took longer, and was killed.
        Died: It ended without an answer.
        ModelFailed: It crashed with what is no HearthError.
        HearthError: What `work` raised, by its code.
    """
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_in_child, args=(work, theirs, what), daemon=True)
    with warnings.catch_warnings():
        # Python warns of threads at a fork; ours are OpenBLAS's, which prepares for it by itself
        # (pthread_atfork), and idle.
        warnings.simplefilter("ignore", DeprecationWarning)
        child.start()
    theirs.close()
    try:
        return _waited(ours, seconds, what, watch)
    except EOFError as error:
        child.join(1)
        raise Died(
            f"{what} died ({_ending(child.exitcode)}); it may have needed too much memory"
        ) from error
    finally:
        ours.close()
        child.kill()
        child.join()
        child.close()


def run_here(work: Work, what: str) -> list[bytes]:
    """What `work` returns, from this process: for work whose size bounds its time.

    A fork's child meets every page and every cache of scikit-learn for the first time; a thousand
    rows take it four times as long.

    Raises:
        ModelFailed: It crashed with what is no HearthError.
        HearthError: What `work` raised.
    """
    from functions.clustering.algorithms.threads import one_openmp_thread

    try:
        with one_openmp_thread():
            return list(work(lambda _, __: None))
    except HearthError:
        raise
    except Exception as error:
        raise _crashed(error, what) from error


def _waited(ours: Connection, seconds: float, what: str, watch: Tell | None) -> list[bytes]:
    ends = time.monotonic() + seconds
    stage, done = "", 0.0
    while True:
        left = ends - time.monotonic()
        if left <= 0:
            raise TimedOut(
                f"{what} took longer than {seconds:g} s and was ended; send fewer rows, or put "
                "them in S3 and give their address as input"
            )
        if ours.poll(min(left, LOOK_EVERY_S)):
            kind = ours.recv_bytes()
            parts = [ours.recv_bytes() for _ in range(int(ours.recv_bytes()))]
            if kind == _OK:
                return parts
            told = json.loads(parts[0])
            if kind == _ERROR:
                raise _KINDS.get(told["code"], ModelFailed)(
                    told["message"], details=told["details"]
                )
            stage, done = told
        if watch is not None:
            watch(stage, done)


def _in_child(work: Work, theirs: Connection, what: str) -> None:
    # Nobody would wait for the answer of a parent that was killed.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def tell(stage: str, done: float) -> None:
        _send(theirs, _STAGE, [json.dumps([stage, done]).encode()])

    try:
        _send(theirs, _OK, work(tell))
    except HearthError as error:
        told = {"code": error.code, "message": error.message, "details": list(error.details)}
        _send(theirs, _ERROR, [json.dumps(told).encode()])
    except Exception as error:
        crashed = _crashed(error, what)
        told = {"code": crashed.code, "message": crashed.message, "details": []}
        _send(theirs, _ERROR, [json.dumps(told).encode()])


def _crashed(error: Exception, what: str) -> ModelFailed:
    logger.exception("an algorithm crashed", what=what)
    return ModelFailed(f"{what} crashed with {type(error).__name__}; the log has it")


def _send(theirs: Connection, kind: bytes, parts: Sequence[bytes]) -> None:
    theirs.send_bytes(kind)
    theirs.send_bytes(str(len(parts)).encode())
    for part in parts:
        theirs.send_bytes(part)


def _ending(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"
