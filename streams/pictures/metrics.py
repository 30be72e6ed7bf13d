"""What the process that fetches pictures shows."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge

from schemas.metric import PARTITION, PLATFORM, Known, Label, Metric

RESULTS = (
    "fetched", "refused", "unavailable", "resting", "not_there", "too_large",
    "not_a_picture", "too_many_pixels", "damaged",
)  # fmt: skip
"""``fetched``, and the reasons of :mod:`connectors.pictures.fetching`."""

PICTURES = Metric(
    "takin_pictures_total",
    "counter",
    "count",
    "Pictures of listings that were to be fetched, by what became of them.",
    (PLATFORM, Label("result", RESULTS)),
)
LAG = Metric(
    "takin_pictures_lag",
    "gauge",
    "records",
    "Listings that the process that fetches pictures has not dealt with yet.",
    (PARTITION,),
)

METRICS = (PICTURES, LAG)
"""Everything that it shows."""


class PictureMetrics:
    """One set per process."""

    def __init__(self, registry: CollectorRegistry, platforms: Iterable[str]) -> None:
        self.platform = Known(PLATFORM, platforms)
        self.pictures = PICTURES.make(Counter, registry)
        self.lag = LAG.make(Gauge, registry)
        for platform in platforms:
            for result in RESULTS:
                self.pictures.labels(self.platform(platform), result)
