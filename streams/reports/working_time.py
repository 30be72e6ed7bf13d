"""Elapsed time by an addressee's working days: how long something took, and when a limit was over.

Business seconds are those that fall on working days of the calendar, whole local days of 23 to 25
hours; a weekend adds nothing. A limit in working days is reckoned as a deadline is
(:meth:`streams.sla.calendar.Calendar.reach`).
"""

from bisect import bisect_right
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from streams.reports.estimates import Floats
from streams.sla.calendar import Calendar
from streams.sla.zones import day_end, local_date, zone

_DAY = timedelta(days=1)


class WorkingTime:
    """One calendar's working days, looked up quickly."""

    def __init__(self, calendar: Calendar) -> None:
        self.calendar = calendar
        self._zone = zone(calendar.zone)
        self._starts: list[float] = []
        self._worked: list[float] = []
        """Business seconds before each start."""
        self._working: list[bool] = []
        self._reached: dict[tuple[int, int], float] = {}

    def _cover(self, at: float) -> int:
        """The place of the local day that holds an instant; days are added as they are needed."""
        if not self._starts:
            day = local_date(datetime.fromtimestamp(at, UTC), self._zone) - _DAY
            self._starts.append(day_end(day, self._zone).timestamp())
            self._worked.append(0.0)
            self._working.append(self._works(self._starts[0]))
        while at < self._starts[0]:
            self._grow_back()
        while at >= self._starts[-1]:
            self._grow()
        return bisect_right(self._starts, at) - 1

    def _works(self, start: float) -> bool:
        return self.calendar.is_working_day(local_date(datetime.fromtimestamp(start, UTC), self._zone))

    def _grow(self) -> None:
        start = self._starts[-1]
        day = local_date(datetime.fromtimestamp(start, UTC), self._zone)
        following = day_end(day, self._zone).timestamp()
        if following <= start:  # a date that the zone left out
            following = day_end(day + _DAY, self._zone).timestamp()
        self._starts.append(following)
        self._worked.append(self._worked[-1] + (following - start) * self._working[-1])
        self._working.append(self._works(following))

    def _grow_back(self) -> None:
        # A month at once: items come in any order, and the front of a list is slow to add to.
        last = local_date(datetime.fromtimestamp(self._starts[0] - 1, UTC), self._zone)
        days = [last - number * _DAY for number in range(30, 0, -1)]
        starts = sorted({day_end(day, self._zone).timestamp() for day in days} - {self._starts[0]})
        ends = [*starts[1:], self._starts[0]]
        working = [self._works(start) for start in starts]
        worked = self._worked[0]
        before = []
        for start, end, works in zip(reversed(starts), reversed(ends), reversed(working), strict=True):
            worked -= (end - start) * works
            before.append(worked)
        self._starts[:0], self._working[:0], self._worked[:0] = starts, working, before[::-1]

    def worked(self, at: float) -> float:
        """Business seconds until a POSIX time, from some beginning; only differences mean anything."""
        place = self._cover(at)
        return self._worked[place] + (at - self._starts[place]) * self._working[place]

    def worked_each(self, at: Floats) -> Floats:
        """:meth:`worked` of many instants, of which none may be missing."""
        places, starts = self._places(at)
        worked, working = np.array(self._worked), np.array(self._working, dtype=np.float64)
        found: Floats = worked[places] + (at - starts[places]) * working[places]
        return found

    def reach_each(self, at: Floats, days: int) -> Floats:
        """:meth:`reach` of many instants."""
        places, starts = self._places(at)
        ends = np.zeros(len(starts))
        for place in np.flatnonzero(np.bincount(places)):
            ends[place] = self.reach(datetime.fromtimestamp(starts[place], UTC), days)
        found: Floats = ends[places]
        return found

    def _places(self, at: Floats) -> tuple[NDArray[np.intp], Floats]:
        """The place of each instant's local day, and when the days begin."""
        if len(at):
            self._cover(float(at.min()))
            self._cover(float(at.max()))
            self._grow()
        starts = np.array(self._starts)
        if not len(at):
            return np.zeros(0, dtype=np.intp), starts
        # Most days have 24 hours, so a division finds nearly all; the others are looked up.
        places = np.clip(((at - starts[0]) / 86_400).astype(np.intp), 0, len(starts) - 2)
        missed = (at < starts[places]) | (at >= starts[places + 1])
        places[missed] = np.searchsorted(starts, at[missed], side="right") - 1
        return places, starts

    def between(self, start: datetime, end: datetime) -> float:
        """Business seconds from one instant to a later one; 0 if it is not later."""
        first, last = start.timestamp(), end.timestamp()
        return self.worked(last) - self.worked(first) if last > first else 0.0

    def reach(self, start: datetime, days: int) -> float:
        """The POSIX time at which a limit of so many working days from ``start`` is over."""
        # Every instant of one local day has the same end.
        place = self._cover(start.timestamp())
        key = (int(self._starts[place]), days)
        found = self._reached.get(key)
        if found is None:
            found = self.calendar.reach(start, days, "working_days").timestamp()
            self._reached[key] = found
        return found
