"""Notices whose listing text was written by somebody who means harm."""

import json
from pathlib import Path
from typing import Any

import schemas
from schemas.notice import Notice

EXAMPLE: dict[str, Any] = json.loads(
    (Path(schemas.__file__).parent / "examples" / "notice.json").read_text(encoding="utf-8")
)
KEY = str(EXAMPLE["idempotency_key"])

TEXTS = (
    '=HYPERLINK("http://evil.example","click")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "＝1+1",
    "\t=1+1",
    "'quoted",
    "x\r\nBcc: victim@example.org\r\n\r\n<b>body</b>",
    "\r\n.\r\nMAIL FROM:<a@b.example>",
    "ivory\u202eyrovi\u2066\u200b\u2028end",
    "{{ 7*7 }}{% for x in ().__class__.__bases__ %}{{ x }}{% endfor %}",
    "--=_takin_boundary\r\nContent-Type: text/html\r\n\r\n<script>alert(1)</script>",
    "\x00\x1b[2J\x07",
    '","";\r\n"injected","row"',
    "象牙 бивень عاج",
    "😀" * 300,
    "a" * 3_000,
)


def notice(**item: Any) -> Notice:
    """The example with another first item."""
    document = {**EXAMPLE, "items": [{**EXAMPLE["items"][0], **item}]}
    return Notice.model_validate_json(json.dumps(document))


def hostile_notices() -> tuple[Notice, ...]:
    """One for each text, with it in every place that a seller fills."""
    made = []
    for text in TEXTS:
        quote = {"field": "title", "start": 0, "end": 1, "text": text[:2_000], "meaning": "ivory"}
        changed = notice(title=text, seller_handle=text[:512], listing_id=text[:512], quotes=[quote])
        made.append(changed.model_copy(update={"reasons": f"The title says “{text}”, which is unlawful."}))
    return tuple(made)


def many_items(count: int) -> Notice:
    """The example with so many items."""
    items = [
        {**EXAMPLE["items"][0], "listing_id": str(number), "item_id": f"i_{number:032x}"}
        for number in range(count)
    ]
    return Notice.model_validate_json(json.dumps({**EXAMPLE, "items": items}))
