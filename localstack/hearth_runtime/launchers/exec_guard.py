"""Become another program that the kernel kills when the process that started us dies.

Run as `python -I -S exec_guard.py PARENT_PID PROGRAM [ARG…]`. It asks the kernel for SIGKILL at
the parent's death (PR_SET_PDEATHSIG, which survives exec), then replaces itself, so the process id
stays. Where prctl is missing (not Linux) it only executes the program: awslambdaric ends by itself
when its Runtime API is gone.

Why a program of its own and not `preexec_fn`: that forks a process with threads, which may
dead-lock and which Python 3.12 warns about. It costs about 10 ms of a cold start.

Two things to know. The signal is tied to the *thread* that forked: start processes from a thread
that lives as long as the runtime. It reaches the direct child only, not what a function starts.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(argv: list[str]) -> None:
    parent, program = int(argv[1]), argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have died before prctl: then its signal never comes.
    if os.getppid() != parent:
        sys.exit(1)
    os.execv(program[0], program)  # noqa: S606  a list, no shell


if __name__ == "__main__":
    main(sys.argv)
