"""The histogram that takes a batch at once."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from streams.screening.metrics import EVENT_AGE, Tallied

AMOUNTS = st.lists(st.floats(0, 1e6) | st.sampled_from(EVENT_AGE.buckets))


@given(st.lists(AMOUNTS, max_size=4))
def test_it_shows_what_prometheus_own_histogram_shows(batches: list[list[float]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    tallied, histogram = Tallied(EVENT_AGE, ours), EVENT_AGE.make(Histogram, theirs)
    for batch in batches:
        tallied.observe_all(batch)
        for amount in batch:
            histogram.observe(amount)

    assert shown(ours) == shown(theirs)


def shown(registry: CollectorRegistry) -> list[str]:
    lines = generate_latest(registry).decode().splitlines()
    return [line for line in lines if "_created" not in line]
