"""Addresses that carry a checksum: what merely looks like one is none.

Bitcoin: base58check (BIP 13) and bech32 (BIP 173, BIP 350); Tron: base58check.
"""

import hashlib

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def is_base58check(address: str, versions: frozenset[int]) -> bool:
    """Whether the last four bytes are the checksum of the others, and the first one a known version."""
    number = 0
    for character in address:
        digit = _BASE58.find(character)
        if digit < 0:
            return False
        number = number * 58 + digit
    try:
        raw = number.to_bytes(25, "big")
    except OverflowError:
        return False
    leading = len(address) - len(address.lstrip("1"))
    if leading != len(raw) - len(raw.lstrip(b"\0")):
        return False
    check = hashlib.sha256(hashlib.sha256(raw[:21]).digest()).digest()[:4]
    return raw[21:] == check and raw[0] in versions


def is_bech32(address: str, prefix: str) -> bool:
    """Whether a segregated-witness address holds its checksum (either constant)."""
    low = address.lower()
    if address not in (low, address.upper()) or not low.startswith(f"{prefix}1"):
        return False
    values = [_BECH32.find(character) for character in low[len(prefix) + 1 :]]
    if len(values) < 8 or -1 in values:
        return False
    head = [ord(character) >> 5 for character in prefix] + [0] + [ord(character) & 31 for character in prefix]
    check = 1
    for value in head + values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit in range(5):
            check ^= _GENERATOR[bit] if top >> bit & 1 else 0
    return check in (1, 0x2BC830A3)
