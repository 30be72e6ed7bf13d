"""An imported list laid over the built-in one: compared, carried, put in force, taken back."""

import base64
import lzma
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import pytest

from schemas.errors import OperatorError
from schemas.listing import Listing
from schemas.watchlist import ReferenceRelease
from streams.reference.archive import Archive
from streams.reference.changes import compare
from streams.reference.commands import described, release_of, remaining, taxa_under
from streams.reference.reading import read_list
from streams.screening.imported import BadReference, unpack
from streams.screening.screener import ScreeningRuleset, build_ruleset
from streams.screening.taxa import Taxa, load_taxa

NOW = datetime(2026, 11, 25, tzinfo=UTC)
LIST = (
    "Scientific Name,Rank,Listing,Full note,EU Annex,Family\n"
    "Exemplaria,genus,II,,B,Exemplariidae\n"
    "Exemplaria rara,species,I,,A,Exemplariidae\n"
    "Panthera tigris,species,II,made up for a test,,\n"
    "Pan,genus,I,another note,,\n"
)


@cache
def built_in() -> ScreeningRuleset:
    return build_ruleset()


@cache
def taxa() -> Taxa:
    return load_taxa()


def made(text: str = LIST, *, complete: bool = False, source: str = "a test") -> ReferenceRelease:
    return release_of(
        read_list(text.encode()),
        as_of=date(2026, 3, 5),
        source=source,
        licence="none",
        complete=complete,
        released_by="t",
        now=NOW,
    )


def listing(title: str) -> Listing:
    return Listing.sealed(
        platform="p",
        listing_id="1",
        url="https://x.example/1",
        title=title,
        observed_at=NOW,
        connector="file",
        run_id="r",
    )


def test_a_comparison_tells_what_is_added_removed_and_changed() -> None:
    changes = compare(taxa().by_name, taxa_under(taxa(), made()).by_name)

    assert [one.name for one in changes.added] == ["Exemplaria", "Exemplaria rara"]
    assert changes.removed == ()
    assert [(one.name, one.before, one.after) for one in changes.appendix] == [("Panthera tigris", "I", "II")]
    assert [one.name for one in changes.annotation] == ["Pan"]


def test_a_complete_list_takes_away_what_it_does_not_cover() -> None:
    after = taxa_under(taxa(), made(complete=True))

    assert "Panthera leo" not in after.by_name
    assert after.by_name["Pan troglodytes"].appendix == "I"
    assert after.by_name["Pan troglodytes"].source == "a test"
    assert len(compare(taxa().by_name, after.by_name).removed) > 10_000


def test_an_imported_row_is_shown_with_its_date_and_source() -> None:
    row = described(taxa_under(taxa(), made()), "Exemplaria nova")[0]

    assert (row["scientific_name"], row["appendix"], row["as_of"], row["source"]) == (
        "Exemplaria",
        "II",
        "2026-03-05",
        "a test",
    )
    assert not row["needs_check"]


def test_a_release_carries_the_same_list_to_every_worker() -> None:
    sent = made()
    received = ReferenceRelease.from_bytes(sent.to_bytes())
    one, other = built_in().with_reference(sent), built_in().with_reference(received)

    assert one.screener({}).version == other.screener({}).version != built_in().screener({}).version
    verdict = one.screener({}).screen(listing("Real Exemplaria rara skull, 30 cm, 100 USD"), NOW)
    assert verdict.taxon is not None
    assert (verdict.taxon.scientific_name, verdict.taxon.appendix) == ("Exemplaria rara", "I")
    assert "as of 2026-03-05" in (verdict.taxon.basis or "")


def test_the_operators_appendix_stands_in_for_the_hand_kept_one() -> None:
    verdict = built_in().with_reference(made()).screener({}).screen(listing("Genuine tiger skin rug"), NOW)

    assert verdict.taxon is not None
    assert verdict.taxon.appendix == "II"
    assert verdict.outcome == "review"


def test_taking_the_list_back_gives_the_built_in_version_again() -> None:
    with_list = built_in().with_reference(made())

    assert with_list.with_reference(None).screener({}).version == built_in().screener({}).version
    retired = made().model_copy(update={"state": "retired", "content": ""})
    assert with_list.with_reference(retired).screener({}).version == built_in().screener({}).version


def test_another_source_is_another_version() -> None:
    versions = {
        built_in().with_reference(made(source=source)).screener({}).version for source in ("one", "other")
    }

    assert len(versions) == 2
    assert made(source="one").version != made(source="other").version


@pytest.mark.parametrize(
    "change", [{"source": "other"}, {"complete": True}, {"as_of": date(2026, 1, 1)}], ids=str
)
def test_whatever_stands_in_a_verdict_is_in_the_rule_sets_version(change: dict[str, object]) -> None:
    changed = made().model_copy(update=change)

    assert changed.version == made().version
    one, other = (built_in().with_reference(release).screener({}).version for release in (made(), changed))
    assert one != other


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"content": "!!"}, "not a packed table"),
        ({"sha256": "0" * 64}, "sha256"),
        ({"rows": 3}, "4 rows and the release says 3"),
        ({"content": base64.b64encode(lzma.compress(b"\0" * 50_000_000)).decode()}, "larger than"),
        ({"content": base64.b64encode(lzma.compress(b"a,b\n1,2\n")).decode()}, "sha256"),
    ],
    ids=["garbage", "digest", "count", "bomb", "other columns"],
)
def test_a_release_that_was_tampered_with_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(BadReference, match=said):
        unpack(made().model_copy(update=changes))


def test_versions_are_kept_and_gone_back_to(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    first, second = made(source="one"), made(source="other")

    assert archive.current() is None
    for release in (first, second):
        archive.keep(release, LIST.encode())
        archive.put_in_force([*archive.in_force(), release.version])
    assert archive.current() == second
    archive.put_in_force(remaining(archive.in_force(), ""))
    assert archive.current() == first
    assert (archive.folder / f"{first.version}.source").read_text() == LIST
    assert remaining(("a", "b", "c"), "a") == ("a",)
    assert remaining(("a", "b"), "built-in") == ()
    with pytest.raises(OperatorError, match="No version"):
        archive.read("2020-01-01-x")


def test_a_damaged_archive_is_told_in_one_sentence(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.keep(made(), b"")
    (archive.folder / f"{made().version}.json").write_text("{")

    with pytest.raises(OperatorError, match="damaged"):
        archive.read(made().version)
