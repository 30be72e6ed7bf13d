"""Phones, handles, accounts, prices and quantities: normal forms and spans, whatever the writing.

The numbers are the telephone library's example numbers or made up; the coin addresses are those of the
specifications (BIP 173 and the genesis block).
"""

from decimal import Decimal

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.screening.identifiers.accounts import accounts
from streams.screening.identifiers.amounts import Price, Quantity, prices, quantities
from streams.screening.identifiers.entries import identifiers
from streams.screening.identifiers.found import plain_digits
from streams.screening.identifiers.permits import Permit, permits
from streams.screening.identifiers.phones import e164, phones

GENESIS = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
SEGWIT = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
SCRIPTS = {
    "ascii": "0123456789",
    "fullwidth": "０１２３４５６７８９",
    "arabic-indic": "٠١٢٣٤٥٦٧٨٩",
    "persian": "۰۱۲۳۴۵۶۷۸۹",
    "thai": "๐๑๒๓๔๕๖๗๘๙",
    "devanagari": "०१२३४५६७८९",
    "bengali": "০১২৩৪৫৬৭৮৯",
}


def example(region: str) -> phonenumbers.PhoneNumber:
    number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    assert number is not None
    return number


@pytest.mark.parametrize("region", ["VN", "TH", "ID", "IN", "KE", "GB", "DE", "BR", "US", "CN", "JP", "RU"])
@pytest.mark.parametrize("digits", SCRIPTS.values(), ids=SCRIPTS)
@pytest.mark.parametrize("gap", ["", " ", ".", "-", "\u200b", " - "], ids=repr)
def test_a_number_is_the_same_in_any_writing(region: str, digits: str, gap: str) -> None:
    number = example(region)
    wanted = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    national = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    plain = "".join(character for character in national if character.isdigit())
    written = gap.join(plain).translate(str.maketrans("0123456789", digits))
    text = f"call {written} today"

    found = list(phones(text, [region]))

    assert [one.value for one in found] == [wanted]
    assert text[found[0].start : found[0].end] == written


def test_a_number_with_its_country_code_needs_no_region() -> None:
    assert e164("+84 91 234 56 78") == e164("0084 (91) 234.5678") == e164("＋８４９１２３４５６７８")
    assert e164("091 234 56 78") is None
    assert e164("091 234 56 78", ["VN"]) == "+84912345678"


@pytest.mark.parametrize(
    "text",
    [
        "ivory 12x34x56 cm",
        "order 1234567",
        "ISBN 978-3-16-148410-0 hardcover",
        "price 5000000",
        "1914-1918, 1939-1945",
        "a1234567890",
    ],
)
def test_other_figures_are_no_numbers(text: str) -> None:
    assert list(phones(text, ["GB"])) == []


@pytest.mark.parametrize(
    ("text", "service", "value", "quote"),
    [
        ("WhatsApp: +44 7400 123456", "whatsapp", "+447400123456", "+44 7400 123456"),
        ("https://wa.me/447400123456", "whatsapp", "+447400123456", "447400123456"),
        ("واتساب ٠٠٩٦٦٥٠١٢٣٤٥٦٧", "whatsapp", "+966501234567", "٠٠٩٦٦٥٠١٢٣٤٥٦٧"),
        ("t.me/Test_Seller1", "telegram", "test_seller1", "Test_Seller1"),
        ("телеграм @Test_Seller1", "telegram", "test_seller1", "@Test_Seller1"),
        ("加微信：test_seller88 详谈", "wechat", "test_seller88", "test_seller88"),
        ("vx test-seller88", "wechat", "test-seller88", "test-seller88"),
        ("微信号 13912345678", "wechat", "+8613912345678", "13912345678"),
        ("Zalo 0912.345.678", "zalo", "+84912345678", "0912.345.678"),
        ("Line ID: test.seller9", "line", "test.seller9", "test.seller9"),
        ("ไลน์ไอดี: test.seller9", "line", "test.seller9", "test.seller9"),
        ("카톡 아이디 없음, kakaotalk: testseller7", "kakaotalk", "testseller7", "testseller7"),
        ("https://qr.kakaopay.com/Ej8sTestCode1", "kakaopay", "ej8stestcode1", "Ej8sTestCode1"),
        ("pay to Test.Seller@okhdfcbank", "upi", "test.seller@okhdfcbank", "Test.Seller@okhdfcbank"),
        ("bKash 01812-345678", "bkash", "+8801812345678", "01812-345678"),
        ("M-Pesa 0712 123456", "mpesa", "+254712123456", "0712 123456"),
        ("till number 123456", "mpesa", "123456", "123456"),
        ("chave pix: vendedor@loja.example", "pix", "vendedor@loja.example", "vendedor@loja.example"),
        ("paypal.me/TestSeller", "paypal", "testseller", "TestSeller"),
        (f"send btc to {GENESIS}", "bitcoin", GENESIS, GENESIS),
        (f"send btc to {SEGWIT.upper()}", "bitcoin", SEGWIT, SEGWIT.upper()),
        ("0x" + "aB" * 20, "ethereum", "0x" + "ab" * 20, "0x" + "aB" * 20),
    ],
)
def test_an_account_is_found_with_its_span(text: str, service: str, value: str, quote: str) -> None:
    found = [one for one in accounts(text, ["GB"]) if one.service == service]

    assert [one.value for one in found] == [value]
    assert text[found[0].start : found[0].end] == quote


@pytest.mark.parametrize(
    "text",
    [
        GENESIS[:-1] + "b",
        SEGWIT[:-1] + "5",
        "write to test.seller@mail.example",
        "the line is long: measured",
        "watch out for tigers",
        "pixel art, pix of the dog",
        "a beeline to the wine",
    ],
)
def test_what_only_looks_like_an_account_is_none(text: str) -> None:
    assert list(accounts(text, ["GB"])) == []


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("giá 25 tr", "25000000", None),
        ("2 lakh only", "200000", None),
        ("1k usd", "1000", "USD"),
        ("3万元", "30000", "CNY"),
        ("Rp 1.500.000", "1500000", "IDR"),
        ("$1,200.50", "1200.50", None),
        ("£1.200", "1200", "GBP"),
        ("5 juta", "5000000", None),
        ("цена 15 тыс. руб", "15000", "RUB"),
        ("१२ लाख", "1200000", None),
        ("٥٠٠ درهم", "500", "AED"),
        ("elfu 50", "50000", None),
        ("ราคา 3 หมื่น", "30000", None),
        ("R$ 2.500,00", "2500.00", "BRL"),
        ("１５０€", "150", "EUR"),
        ("2 crore rupees", "20000000", "INR"),
    ],
)
def test_a_price_is_multiplied_out(text: str, amount: str, currency: str | None) -> None:
    assert [(one.amount, one.currency) for one in prices(text)] == [(Decimal(amount), currency)]


@pytest.mark.parametrize("text", ["4k video", "tiger 2 years", "12 cm", "iPhone 13", "5 million views"])
def test_a_number_alone_is_no_price(text: str) -> None:
    assert list(prices(text)) == []


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        ("12 kg of scales", "12000", "g"),
        ("1,5 кг", "1500", "g"),
        ("2 斤", "1000", "g"),
        ("๓ ตัว", "3", "pieces"),
        ("2 pairs", "4", "pieces"),
        ("8 oz", "226.796185000", "g"),
    ],
)
def test_a_quantity_comes_in_grams_or_pieces(text: str, amount: str, unit: str) -> None:
    assert [(one.amount, one.unit) for one in quantities(text)] == [(Decimal(amount), unit)]


@pytest.mark.parametrize(
    ("text", "kind", "number", "plausible", "why"),
    [
        (
            "Article 10 certificate no. 562345/01",
            "article-10",
            "562345/01",
            True,
            "form of the United Kingdom",
        ),
        ("CITES permit 18US12345A/9", "cites", "18US12345A/9", True, "form of the United States"),
        ("CITES No: 0000000", "cites", "0000000", False, "repeats one digit"),
        ("CITES permit XX7234569", "cites", "XX7234569", False, "XX is no country"),
        ("CITES 2041CN/EC001234", "cites", "2041CN/EC001234", False, "still to come"),
        ("CITES certificate 1234567", "cites", "1234567", False, "count up"),
        ("CITES permit 82736451", "cites", "82736451", False, "names no issuing country"),
        ("CITES cert. KE0043211", "cites", "KE0043211", True, "issuing country (KE)"),
        ("Vermarktungsbescheinigung Nr. DE-RP-7234569", "article-10", "DE-RP-7234569", True, "Germany"),
        ("CITES ＫＥ００４３２１１", "cites", "KE0043211", True, "issuing country"),
    ],
)
def test_a_permit_number_is_judged_by_its_form(
    text: str, kind: str, number: str, plausible: bool, why: str
) -> None:
    (found,) = permits(text, 2026)

    assert (found.kind, found.number, found.plausible) == (kind, number, plausible)
    assert why in found.why
    assert plain_digits(text)[found.start : found.end].upper() == number


@pytest.mark.parametrize("text", ["with CITES papers", "CITES Appendix II", "article 10 of the treaty", ""])
def test_words_about_permits_are_no_numbers(text: str) -> None:
    assert list(permits(text, 2026)) == []


ODD = st.text(alphabet=st.sampled_from("0９٣๔ .-+()@:/aWzaloLine微信pixCITESk$万\u200b\n"), max_size=300)


@given(ODD)
def test_odd_texts_are_read_without_error_and_spans_lie_inside(text: str) -> None:
    for one in identifiers(text, ["VN", "GB"]):
        assert 0 <= one.start < one.end <= len(text)
    spans: list[Price | Quantity | Permit] = [*prices(text), *quantities(text), *permits(text, 2026)]
    for found in spans:
        assert 0 <= found.start < found.end <= len(text)
    assert len(plain_digits(text)) == len(text)


@pytest.mark.parametrize(
    "text", ["9 " * 100_000, "+" * 200_000, "zalo " * 40_000, "CITES no no " * 20_000, "$" * 200_000]
)
def test_a_long_text_cannot_stall(text: str) -> None:
    """Each within seconds; quadratic time would take hours."""
    for read in (
        lambda: list(identifiers(text, ["VN"])),
        lambda: list(prices(text)),
        lambda: list(permits(text, 2026)),
    ):
        read()


def test_digits_of_every_script_are_read() -> None:
    digits = [character for character in map(chr, range(0x110000)) if character.isdecimal()]

    assert len(digits) > 600
    assert [
        one for one in digits if plain_digits(f"é{one}") not in {f"é{digit}" for digit in range(10)}
    ] == []
