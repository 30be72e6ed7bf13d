"""What else ran on the machine while something was measured.

A load average does not say it: a system that uses two cores has a high one alone. So the CPU time that the
kernel counted as used is taken less what this process and all that it started used.
"""

import time

import psutil

LOOK_S = 3.0


class Others:
    """Counts from when it is made."""

    def __init__(self) -> None:
        self._began, self._used, self._ours = time.monotonic(), _used_s(), _ours_s()

    def cores(self) -> float:
        """Cores that others kept busy until now."""
        return max(0.0, self.took_s() / (time.monotonic() - self._began))

    def took_s(self) -> float:
        """CPU seconds that others used until now; what a hypervisor took counts, interrupts do not.

        A process of ours that ended meanwhile counts as others'.
        """
        return (_used_s() - self._used) - (_ours_s() - self._ours)


def at_rest(seconds: float = LOOK_S) -> float:
    """Cores that others keep busy just now."""
    others = Others()
    time.sleep(seconds)
    return others.cores()


def _used_s() -> float:
    spent = psutil.cpu_times()
    return float(spent.user + spent.nice + spent.system + spent.steal)


def _ours_s() -> float:
    me = psutil.Process()
    return float(sum(sum(one.cpu_times()[:2]) for one in (me, *me.children(recursive=True))))
