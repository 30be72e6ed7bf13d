"""Order of services and delays between restarts: pure decisions."""

import pytest

from streams.local.service import Service, failures_after, layers, restart_delay


def _service(name: str, *needs: str) -> Service:
    return Service(name, ("true",), needs=needs)


def _names(*services: Service) -> list[list[str]]:
    return [[service.name for service in layer] for layer in layers(services)]


def test_services_start_after_what_they_need_and_together_where_they_can() -> None:
    order = _names(
        _service("desk", "casebook"), _service("screening", "kafka"), _service("kafka"), _service("casebook")
    )
    assert order == [["kafka", "casebook"], ["desk", "screening"]]


@pytest.mark.parametrize(
    ("services", "said"),
    [
        pytest.param([_service("a", "b"), _service("b", "a")], "circle: a, b", id="circle"),
        pytest.param([_service("a", "a")], "circle: a", id="itself"),
        pytest.param([_service("a", "x")], "a needs x", id="unknown need"),
        pytest.param([_service("a"), _service("a")], "same name", id="same name"),
    ],
)
def test_what_has_no_order_is_refused(services: list[Service], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        layers(services)


def test_restarts_are_never_faster_than_one_a_second_and_slow_down_to_one_a_minute() -> None:
    delays = [restart_delay(failures) for failures in range(12)]
    assert delays == [1, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60]
    assert restart_delay(10_000) == 60


def test_a_quiet_minute_forgets_earlier_failures() -> None:
    assert failures_after(5, ran_s=59.9) == 6
    assert failures_after(5, ran_s=60.0) == 1
