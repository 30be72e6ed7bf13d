"""Handles of messengers and accounts of payment services, known by the words beside them or by their form."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from streams.screening.identifiers.checksums import is_base58check, is_bech32
from streams.screening.identifiers.found import Identifier, IdentifierKind, plain_digits
from streams.screening.identifiers.phones import e164

_GAP = r"[\s:=.\-–>→]{0,4}"
_LABEL = r"id|no|number|num|nr|数|号|號|账号|номер|рек|till|paybill|acc|account|key|chave"
_JOIN = rf"{_GAP}(?:(?:{_LABEL})\b{_GAP})?"
_NUMBER = r"\+?\(?\d(?:[ ().\-]{0,2}\d){6,15}"
_NAME = r"@?[A-Za-z][A-Za-z0-9_.\-]{3,31}"
_MAIL = r"[A-Za-z0-9][A-Za-z0-9._%+\-]{0,63}@[A-Za-z0-9][A-Za-z0-9.\-]{0,62}\.[A-Za-z]{2,18}"
_UPI_BANKS = (
    "apl|axl|axisb|barodampay|fbl|freecharge|hdfcbank|ibl|icici|idfcbank|indus|jupiteraxis|kotak|okaxis|"
    "okhdfcbank|okicici|oksbi|paytm|pthdfc|ptaxis|ptsbi|ptyes|sbi|superyes|upi|waaxis|wahdfcbank|waicici|"
    "wasbi|yapl|ybl|yesbank"
)
_BEFORE = r"(?<![A-Za-z0-9_@.])"


@dataclass(frozen=True, slots=True)
class _Form:
    service: str
    kind: IdentifierKind
    pattern: re.Pattern[str]
    """Its first group is the value."""
    normal: Callable[[str, Sequence[str]], str | None]


def _phone(value: str, regions: Sequence[str]) -> str | None:
    return e164(value, regions)


def _name(value: str, _: Sequence[str]) -> str | None:
    bare = value.lstrip("@").rstrip(".-_")
    return bare.casefold() if len(bare) >= 4 else None


def _as_is(value: str, _: Sequence[str]) -> str | None:
    return value.casefold()


def _bitcoin(value: str, _: Sequence[str]) -> str | None:
    if value[:3].lower() == "bc1":
        return value.lower() if is_bech32(value, "bc") else None
    return value if is_base58check(value, frozenset({0, 5})) else None


def _tron(value: str, _: Sequence[str]) -> str | None:
    return value if is_base58check(value, frozenset({0x41})) else None


def _form(
    service: str,
    kind: IdentifierKind,
    pattern: str,
    normal: Callable[[str, Sequence[str]], str | None],
) -> _Form:
    return _Form(service, kind, re.compile(pattern, re.IGNORECASE), normal)


def _labelled(words: str, value: str) -> str:
    return rf"(?:(?<![a-z])(?:{words}))(?![a-z]){_JOIN}({value})"


FORMS: tuple[_Form, ...] = (
    _form(
        "whatsapp",
        "handle",
        r"(?:wa\.me/|whatsapp\.com/send\?phone=)(\+?\d{7,15})",
        lambda v, r: e164(f"+{v.lstrip('+')}", r),
    ),
    _form("whatsapp", "handle", _labelled(r"whats\s?app|wsp|wa|واتساب|واتس|ватсап|вацап", _NUMBER), _phone),
    _form(
        "telegram",
        "handle",
        r"(?:t\.me/|telegram\.me/|tg://resolve\?domain=)([A-Za-z][A-Za-z0-9_]{4,31})",
        _name,
    ),
    _form(
        "telegram",
        "handle",
        _labelled(r"telegram|tele|tg|телеграм+|тг|تليجرام|تلغرام|电报", r"@[A-Za-z][A-Za-z0-9_]{4,31}"),
        _name,
    ),
    _form(
        "wechat",
        "handle",
        rf"(?:(?<![a-z])(?:we\s?chat|weixin|vx|wx|v信|微信|微\s?信|薇信|威信))(?![a-z]){_JOIN}([A-Za-z][A-Za-z0-9_\-]{{5,19}})",
        _name,
    ),
    _form(
        "wechat",
        "handle",
        rf"(?:(?<![a-z])(?:we\s?chat|weixin|vx|wx|v信|微信|微\s?信|薇信|威信))(?![a-z]){_JOIN}(1[3-9]\d{{9}})",
        lambda v, _: e164(v, ["CN"]),
    ),
    _form("zalo", "handle", r"zalo\.me/(\d{9,12})", lambda v, _: e164(v, ["VN"])),
    _form("zalo", "handle", _labelled("zalo", _NUMBER), lambda v, r: e164(v, [*r, "VN"])),
    _form("line", "handle", r"line\.me/(?:ti/p/|r/ti/p/)~?(@?[A-Za-z0-9._\-]{4,20})", _name),
    _form(
        "line",
        "handle",
        r"(?<![a-z])(?:line|ไลน์|ライン)[\s:=]{0,3}(?:id|ไอดี)?[\s:=]{1,3}(@?[A-Za-z0-9][A-Za-z0-9._\-]{3,19})(?![\w@])",
        _name,
    ),
    _form(
        "kakaotalk",
        "handle",
        _labelled(r"kakao\s?talk|kakao|카카오톡|카톡|오픈톡", r"[A-Za-z][A-Za-z0-9_.\-]{3,19}"),
        _name,
    ),
    _form("kakaopay", "payment", r"(?:qr\.kakaopay\.com/)([A-Za-z0-9]{6,40})", _as_is),
    _form(
        "upi",
        "payment",
        rf"{_BEFORE}([A-Za-z0-9][A-Za-z0-9.\-_]{{1,60}}@(?:{_UPI_BANKS}))(?![A-Za-z0-9.@])",
        _as_is,
    ),
    _form("bkash", "payment", _labelled(r"b\s?kash|বিকাশ", _NUMBER), lambda v, _: e164(v, ["BD"])),
    _form("mpesa", "payment", _labelled(r"m[\s\-]?pesa", _NUMBER), lambda v, r: e164(v, ["KE", "TZ", *r])),
    _form("mpesa", "payment", _labelled(r"(?:m[\s\-]?pesa\s)?(?:till|paybill)", r"\d{5,7}(?!\d)"), _as_is),
    _form("pix", "payment", _labelled(r"(?:chave\s)?pix", _MAIL), _as_is),
    _form(
        "pix",
        "payment",
        _labelled(r"(?:chave\s)?pix", r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
        _as_is,
    ),
    _form(
        "pix",
        "payment",
        _labelled(r"(?:chave\s)?pix", _NUMBER),
        lambda v, _: e164(v, ["BR"]) or re.sub(r"\D", "", v),
    ),
    _form("paypal", "payment", r"paypal\.(?:me|com/paypalme)/([A-Za-z0-9]{3,20})", _as_is),
    _form("paypal", "payment", _labelled(r"pay\s?pal", _MAIL), _as_is),
    _form(
        "bitcoin",
        "payment",
        r"(?<![A-Za-z0-9])(bc1[02-9ac-hj-np-z]{11,71}|[13][1-9A-HJ-NP-Za-km-z]{25,34})(?![A-Za-z0-9])",
        _bitcoin,
    ),
    _form("ethereum", "payment", r"(?<![A-Za-z0-9])(0x[0-9a-f]{40})(?![A-Za-z0-9])", _as_is),
    _form("tron", "payment", r"(?<![A-Za-z0-9])(T[1-9A-HJ-NP-Za-km-z]{33})(?![A-Za-z0-9])", _tron),
)
"""How each service's accounts are written; the first form that finds a place has it."""

_DIGITS = re.compile(r"\d(?:[ ().\-]{0,2}\d){4}")
_LONG = re.compile(r"[A-Za-z0-9]{26}")
_WORDS: dict[str, tuple[str, ...]] = {
    "whatsapp": ("wa", "wsp", "whats", "واتس", "ватсап", "вацап"),
    "telegram": ("t.me", "tg", "tele", "телег", "тг", "تليجرام", "تلغرام", "电报"),
    "wechat": ("chat", "weixin", "vx", "wx", "v信", "微", "薇信", "威信"),
    "zalo": ("zalo",),
    "line": ("line", "ไลน์", "ライン"),
    "kakaotalk": ("kakao", "카카오톡", "카톡", "오픈톡"),
    "kakaopay": ("kakaopay",),
    "upi": ("@",),
    "bkash": ("kash", "বিকাশ"),
    "mpesa": ("pesa", "till", "paybill"),
    "pix": ("pix",),
    "paypal": ("pal",),
}
"""What a text must hold before the forms of a service are tried: each form costs as much as a term search."""
_BY_NUMBER = frozenset({"whatsapp", "zalo", "bkash", "mpesa"})
"""Services whose accounts are numbers."""
_BY_TOKEN = frozenset({"bitcoin", "ethereum", "tron"})


def _worth_trying(plain: str) -> frozenset[str]:
    """The services that the text can name at all."""
    low = plain.casefold()
    numbered, long = _DIGITS.search(plain) is not None, _LONG.search(plain) is not None
    named = {
        service
        for service, words in _WORDS.items()
        if (numbered or service not in _BY_NUMBER) and any(word in low for word in words)
    }
    return frozenset(named | _BY_TOKEN) if long else frozenset(named)


SERVICES = frozenset(form.service for form in FORMS)
ACCOUNTS_LIMIT = 40


def accounts(text: str, regions: Sequence[str] = ()) -> Iterator[Identifier]:
    """The accounts that a text names, in the order of :data:`FORMS`."""
    plain = plain_digits(text)
    seen: set[tuple[str, str]] = set()
    worth_trying = _worth_trying(plain)
    for form in FORMS:
        if form.service not in worth_trying:
            continue
        for number, place in enumerate(form.pattern.finditer(plain)):
            if number >= ACCOUNTS_LIMIT:
                break
            value = form.normal(place.group(1), regions)
            if value is None or (form.service, value) in seen:
                continue
            seen.add((form.service, value))
            yield Identifier(form.kind, form.service, value, place.start(1), place.end(1))
