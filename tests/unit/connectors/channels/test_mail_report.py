"""A citizen's mail becomes the report that they meant; what is none has its reason."""

from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.channels.mail_report import NoReport, Told, read_report_mail, report_of
from connectors.errors import UnreadableAnswer
from schemas.report import MOST_PICTURES
from tests.support.pictures import drawn, encoded

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
JPEG = encoded(drawn(1, 40, 50))


def mail(
    text: str = "Look: https://m.example/77.", *, html: str | None = None, **headers: str
) -> EmailMessage:
    made = EmailMessage()
    named = {"From": "Kim Example <kim@mail.example>", "To": "report@monitor.example"}
    named |= {"Subject": "Ivory?", "Message-ID": "<1@mail.example>"}
    for name, value in {
        **named,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }.items():
        if value:
            made[name] = value
    made.set_content(text)
    if html is not None:
        made.add_alternative(html, subtype="html")
    return made


def told(made: EmailMessage) -> Told:
    return read_report_mail(made.as_bytes())


def report(made: EmailMessage, secret: bytes = b"s") -> Any:
    raw = made.as_bytes()
    return report_of(read_report_mail(raw), (), secret=secret, raw=raw, now=NOW)


def test_words_link_and_sender_are_the_reports() -> None:
    one = report(mail("A tusk is sold here: https://m.example/77?x=1.\nI saw it today."))

    assert one.url == "https://m.example/77?x=1"
    assert one.what == "Ivory?\n\nA tusk is sold here: https://m.example/77?x=1.\nI saw it today."
    assert (one.reporter.kind, one.reporter.name, one.reporter.email) == (
        "citizen",
        "Kim Example",
        "kim@mail.example",
    )


def test_what_is_forwarded_counts_quoted_or_attached() -> None:
    quoted = mail("See below.\n\n-----Original Message-----\n> Ivory, https://m.example/5 cheap")
    carrying = mail("See attached.")
    carrying.add_attachment(mail("Real tusk https://m.example/6 now", Subject="Offer"))

    assert told(quoted).link == "https://m.example/5"
    assert "cheap" in told(quoted).text
    assert told(carrying).link == "https://m.example/6"
    assert "Real tusk" in told(carrying).text


def test_a_mail_of_html_alone_is_read_and_its_link_found() -> None:
    made = mail(
        "", html='<p>A tusk</p><a href="https://m.example/9?a=1&amp;b=2">here</a><script>x()</script>'
    )

    assert told(made).link == "https://m.example/9?a=1&b=2"
    assert "A tusk" in told(made).text


def test_without_a_link_the_subject_says_where() -> None:
    one = report(mail("A man on the market sells claws.", Subject="Night market, stall 4"))

    assert (one.url, one.where) == ("Night market, stall 4", "Night market, stall 4")


def test_pictures_are_taken_whatever_they_are_called_and_only_a_few() -> None:
    made = mail()
    made.add_attachment(JPEG, "image", "png", filename="a.png")
    made.add_attachment(JPEG + b"2", "application", "octet-stream", filename="photo.bin")
    made.add_attachment(b"%PDF", "application", "pdf", filename="a.pdf")
    assert told(made).pictures == (JPEG, JPEG + b"2")

    for number in range(MOST_PICTURES):
        made.add_attachment(JPEG + bytes([number]), "image", "jpeg", filename=f"{number}.jpg")
    assert len(told(made).pictures) == MOST_PICTURES


def test_the_same_mail_again_is_the_same_report_and_nobody_guesses_its_id() -> None:
    again = mail(Received="from elsewhere")

    assert report(mail()).report_id == report(again).report_id
    assert report(mail(), b"other").report_id != report(mail()).report_id
    assert report(mail(Message_ID="<2@mail.example>")).report_id != report(mail()).report_id
    # Another sender who takes the id keeps nobody's report away.
    assert report(mail(From="eve@mail.example")).report_id != report(mail()).report_id


def test_without_a_message_id_the_bytes_tell_two_mails_apart() -> None:
    assert report(mail(Message_ID="")).report_id != report(mail("Other", Message_ID="")).report_id


def test_words_that_hide_are_shown() -> None:
    assert told(mail("iv\u202eory")).text == "iv[U+202E]ory"


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"Auto_Submitted": "auto-replied"}, "automatic"),
        ({"Precedence": "bulk"}, "automatic"),
        ({"Return_Path": "<>"}, "automatic"),
        ({"From": ""}, "no_sender"),
        ({"From": "a@b.example, c@d.example"}, "no_sender"),
        ({"From": "nobody"}, "no_sender"),
    ],
)
def test_what_is_no_report_has_its_reason(headers: dict[str, str], reason: str) -> None:
    with pytest.raises(NoReport) as caught:
        told(mail(**headers))

    assert caught.value.reason == reason


def test_a_mail_without_words_and_pictures_is_no_report() -> None:
    with pytest.raises(NoReport, match="empty"):
        told(mail(""))
    pictured = mail("")
    pictured.add_attachment(JPEG, "image", "jpeg", filename="a.jpg")

    assert report(pictured).what == "Ivory?"


def test_the_bounds_of_the_letter_reader_hold() -> None:
    deep = mail()
    for _ in range(20):
        outer = mail()
        outer.add_attachment(deep)
        deep = outer
    with pytest.raises(UnreadableAnswer):
        told(deep)
    with pytest.raises(UnreadableAnswer):
        read_report_mail(b"From: a@b.example\n\n" + b"x" * (25 * 1024 * 1024))


@settings(max_examples=100)
@given(raw=st.binary(max_size=300), place=st.integers(0, 400))
def test_whatever_the_bytes_are_it_is_a_report_or_has_a_reason(raw: bytes, place: int) -> None:
    whole = mail("Words https://m.example/1", html="<b>x</b>").as_bytes()
    bent = whole[:place] + raw + whole[place + len(raw) :]
    try:
        read = read_report_mail(bent)
    except (NoReport, UnreadableAnswer):
        return
    report_of(read, (), secret=b"s", raw=bent, now=NOW).to_bytes()
