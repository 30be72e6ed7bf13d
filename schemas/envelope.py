"""The headers of a Kafka record: CloudEvents 1.0 in the binary mode of its Kafka binding."""

from datetime import datetime

Headers = list[tuple[str, bytes]]


def cloud_event_headers(*, event_id: str, source: str, event_type: str, at: datetime) -> Headers:
    """Headers that let any CloudEvents reader place a record without reading its value.

    ``event_id`` repeats when the same thing is told again; ``source`` is a URI reference such as
    ``takin/screening``; ``at`` is an aware UTC time.
    """
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id.encode()),
        ("ce_source", source.encode()),
        ("ce_type", event_type.encode()),
        ("ce_time", at.isoformat().encode()),
        ("content-type", b"application/json"),
    ]
