"""Explanations as an officer reads them, one file a case; ``UPDATE_GOLDEN=1`` writes them again."""

import os
import re
from pathlib import Path

import pytest

from tests.unit.streams.screening.test_screener import screen

FOLDER = Path(__file__).parent / "explanations"
CASES = {
    "english_plain": ("Hand carved elephant ivory netsuke, 52 g", "For sale, 300 USD. WhatsApp me."),
    "english_disguised": ("Carved elephant 1v0ry bangle 40 g for sale", "Real one, 200 USD"),
    "english_misspelt": ("Hand carved elephant ivery netsuke, 52 g, for sale", "300 USD"),
    "english_picture": ("🐘🦷 real, 1 kg, for sale 300 USD", ""),
    "english_colour": ("Ivory lace wedding dress, size 12", "Worn once."),
    "english_imitation": ("Faux elephant ivory carving, resin, 10 cm, for sale", ""),
    "english_permit": ("Antique elephant ivory box with Article 10 certificate, 90 USD", "Circa 1900."),
    "english_live": ("Baby ball python for sale, live arrival guaranteed", "150 USD"),
    "french": ("Défense d'éléphant sculptée, ancienne, à vendre", "40 cm, 900 €"),
    "german": ("Elfenbein Figur geschnitzt, antik, zu verkaufen", "52 g, 200 €"),
    "russian": ("Продам бивень слона, настоящий", "2 кг, цена 900 $"),
    "chinese": ("出售 真品 象牙手镯 包邮", "45克"),
    "vietnamese": ("Bán vảy tê tê khô", "1 kg, giá 5 tr"),
    "arabic": ("للبيع عاج فيل أصلي", "200 جرام"),
    "innocent": ("Blue ceramic mug, 300 ml", "Hardly used."),
}


@pytest.mark.parametrize("case", CASES)
def test_the_explanation_is_the_one_on_file(case: str) -> None:
    title, text = CASES[case]
    verdict = screen(title, text)
    told = f"{title}\n{text}\n\n{verdict.outcome}: {verdict.explanation}\n"
    file = FOLDER / f"{case}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(told, "utf-8")

    assert file.read_text("utf-8") == told


@pytest.mark.parametrize("case", [name for name in CASES if name not in ("innocent", "english_colour")])
def test_an_explanation_says_all_that_an_officer_asks(case: str) -> None:
    title, text = CASES[case]
    told = screen(title, text).explanation

    quotes = re.findall("“([^”]+)”", told)
    assert quotes
    assert all(quote in title or quote in text for quote in quotes if not quote.startswith("w-"))
    for part in ("taken for", "CITES", "as of", "real thing is", "offered is", "Not known"):
        assert part in told
    assert told[0].isupper()
    assert told.endswith(".")
