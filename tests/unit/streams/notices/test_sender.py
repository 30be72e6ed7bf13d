"""Who sends the notices: an authority's notices are orders."""

from pathlib import Path

import pytest

from schemas.errors import OperatorError
from schemas.notice import LegalBasis, Notice
from streams.notices.policy import PlatformPolicy
from streams.notices.requirements import Demands, unmet_requirements
from streams.notices.sender import load_sender
from streams.notices.wording import write_notice
from tests.support.notices import T0, make_detection

FILE = """
reporter: {organisation: Example Authority, email: desk@authority.example, country: FR}
sender: {organisation: Example Wildlife Monitor, email: takin@monitor.example}
signed_by: A. Person
order:
  kind: art9_order
  order:
    authority: {name: Example Authority, country: FR, contact: desk@authority.example}
    reference: 2026/77
    power: Code of the Environment, Article 1
    territory: [FR]
  redress: Before the administrative court within two months.
  secrecy: {ground: An inquiry is under way., until: 2026-03-20T00:00:00Z}
  preservation: {months: 6, data_kinds: [content, account]}
"""
LAW = {"cites-i": LegalBasis(id="cites-i", law="Regulation (EC) No 338/97", article="8", country="EU")}


def written(path: Path, text: str = FILE) -> Notice:
    path.write_text(text, encoding="utf-8")
    return write_notice(
        make_detection(),
        notice_id="n",
        case_id="c",
        round=1,
        revision=1,
        law=LAW,
        platform=PlatformPolicy("market"),
        sender=load_sender(path, reply_base=None),
        now=T0,
    )


def test_an_authority_s_notice_is_a_whole_order(tmp_path: Path) -> None:
    notice = written(tmp_path / "sender.yaml")

    assert notice.order is not None
    assert (notice.kind, notice.order.reference) == ("art9_order", "2026/77")
    assert notice.items[0].territory_requested == ("FR",)
    assert (notice.reporter.organisation, notice.sender.organisation) == (
        "Example Authority",
        "Example Wildlife Monitor",
    )
    assert unmet_requirements(notice, Demands(), platform="market", now=T0) == ()


def test_a_removal_order_that_nobody_signed_is_not_sent(tmp_path: Path) -> None:
    notice = written(tmp_path / "sender.yaml", FILE.replace("art9_order", "tco_order"))

    unmet = unmet_requirements(notice, Demands(), platform="market", now=T0)
    assert [one.code for one in unmet] == ["signature_missing"]


@pytest.mark.parametrize("left_out", ["redress", "power", "reference", "authority"])
def test_an_order_without_a_part_does_not_load(tmp_path: Path, left_out: str) -> None:
    lines = [line for line in FILE.splitlines() if not line.strip().startswith(f"{left_out}:")]

    with pytest.raises(OperatorError, match=left_out):
        written(tmp_path / "sender.yaml", "\n".join(lines))


@pytest.mark.parametrize(
    ("day", "said"),
    [
        ("2026-02-30", "is not YAML, line 2: day is out of range for month."),
        ('"2026-02-30"', "trusted_flagger: since: no such day, day is out of range for month."),
        ('"2026-13-01"', "trusted_flagger: since: no such day, month must be in 1..12."),
        ("2025-03-27", None),
    ],
)
def test_a_day_that_does_not_exist_is_told_to_no_platform(tmp_path: Path, day: str, said: str | None) -> None:
    path = tmp_path / "sender.yaml"
    flagger = f"\ntrusted_flagger: {{awarded_by: A coordinator, area: wildlife, since: {day}}}"
    path.write_text(flagger + FILE, encoding="utf-8")

    if said is None:
        assert load_sender(path, reply_base=None).trusted_flagger
        return
    with pytest.raises(OperatorError) as refused:
        load_sender(path, reply_base=None)
    assert str(refused.value) == f"The sender file {path}{'' if said.startswith('is') else ':'} {said}"
