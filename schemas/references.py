"""Character references, as HTML writes characters that are hard to type: ``&amp;``, ``&#65;``."""

import re
from html import unescape

_ZEROS = re.compile(r"(?<=&#)0+(?=[0-9])")
_BEYOND = re.compile(r"&#[1-9][0-9]{7,};?")
"""A number that no character has. Python refuses to read one of thousands of digits."""


def characters(text: str) -> str:
    """The text with each reference as the character that it stands for. Never raises, however long a number.

    >>> characters("&lt;&#0065;&#99999999;")
    '<A\ufffd'
    """
    if "&#" in text:
        text = _BEYOND.sub("\ufffd", _ZEROS.sub("", text))
    return unescape(text)
