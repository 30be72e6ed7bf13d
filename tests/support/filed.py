"""A report as the public form files it, for tests that need one to be there."""

import io
from datetime import datetime

from PIL import Image

from streams.desk import public_form
from streams.desk.pictures import redrawn
from streams.notices.casebook import filed
from streams.notices.casebook.database import Casebook
from streams.notices.evidence import EvidenceStore


def file_report(
    casebook: Casebook, evidence: EvidenceStore, *, now: datetime, text: str | None = None
) -> str:
    """File one with a picture and return its id."""
    drawn = io.BytesIO()
    Image.linear_gradient("L").save(drawn, "PNG")
    picture = redrawn(drawn.getvalue())
    report_id = public_form.report_id("report", b"test")
    read = public_form.read(
        {
            "what": "A carved figure, the seller writes of a real tusk. About 20 cm high.",
            "url": "https://market-silent.example/listing/4711",
            "where": "A group for antiques",
            "how_acquired": "inherited, says the offer",
            "name": "Kim Example",
        },
        report_id=report_id,
        language="en",
        now=now,
        picture_sha256=evidence.put(picture),
    )
    assert not isinstance(read, public_form.Problems), read
    casebook.decide(
        filed.file, read, origin="o", allowance=filed.Allowance(), picture_size=len(picture), now=now
    )
    return report_id
