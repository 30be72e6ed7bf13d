"""Run a program that the kernel kills as soon as the process that started it is gone.

Started as a script (:func:`command`), it asks the kernel for that (``PR_SET_PDEATHSIG``, see
prctl(2)) and then *becomes* the program, so the pid is the program's own. Reasons for this form:

- ``preexec_fn`` does the same but may deadlock in a process with threads.
- A watching parent in between (or a pipe that is read to its end) can itself be killed first.
- The kernel's promise holds for ``kill -9``, a crash and the out-of-memory killer alike.

The kernel watches the *thread* that started the child: start children from the main thread or from
one that lives as long as the process. Systems other than Linux have no such call; there the program
runs without this guard.
"""

import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1


def command(argv: Sequence[str]) -> list[str]:
    """``argv`` behind the guard. Give it to ``Popen`` or ``create_subprocess_exec`` as it is."""
    # -I and -S: no environment, no site-packages, so the guard costs some 20 ms.
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *argv]


def become(parent: int, argv: Sequence[str]) -> None:
    """Ask the kernel for the signal and run the program in our place; never returns."""
    if sys.platform == "linux":
        import ctypes

        if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) was refused")
        if os.getppid() != parent:  # it died before we could ask
            os.kill(os.getpid(), signal.SIGKILL)
    try:
        os.execvp(argv[0], list(argv))  # noqa: S606 no shell is what is wanted
    except OSError as error:
        sys.stderr.write(f"{argv[0]}: {error.strerror}\n")
        raise SystemExit(127) from error


if __name__ == "__main__":
    become(int(sys.argv[1]), sys.argv[2:])
