"""Ways to spoil a file: bytes, numbers, lengths, pieces, words."""

from __future__ import annotations

import gzip

import numpy as np

_NUMBERS = [0, 1, 2, 127, 128, 255, 256, 32767, 65535, 2**31 - 1, 2**32 - 1, 2**63 - 1]
_WORDS = [
    b"",
    b"-1",
    b"0",
    b"1e999",
    b"nan",
    b"NaN",
    b"-inf",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b"[[[[",
    b'"',
    b"\x00",
    b"\xff\xfe",
    b"99999999999999999999",
    b"../../../etc/passwd",
    b"2001-99-99",
    b"&a [*a]",
    b"!!python/object/apply:os.system [true]",
    b"\xc3\x28",
    b"\n",
    b": ",
    b"- ",
]


def mutated(content: bytes, rng: np.random.Generator, is_text: bool) -> bytes:
    """Return ``content`` spoilt in one to four ways; what is gzipped is spoilt inside or out."""
    if content[:2] == b"\x1f\x8b" and rng.random() < 0.8:
        return gzip.compress(mutated(gzip.decompress(content), rng, is_text), 1)
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        data = _once(data, rng, is_text)
    return bytes(data)


def _once(data: bytearray, rng: np.random.Generator, is_text: bool) -> bytearray:
    if not data:
        return bytearray(rng.bytes(int(rng.integers(0, 64))))
    # Headers decide most, and lie in front.
    reach = len(data) if is_text or rng.random() < 0.3 else min(len(data), 1024)
    at = int(rng.integers(reach))
    length = int(rng.integers(1, 32))
    way = int(rng.integers(9))
    if way == 0:
        data[at] ^= 1 << int(rng.integers(8))
    elif way == 1:
        data[at : at + length] = rng.bytes(length)
    elif way == 2:
        number = _NUMBERS[int(rng.integers(len(_NUMBERS)))]
        size = int(rng.choice([1, 2, 4, 8]))
        order = "little" if rng.random() < 0.8 else "big"
        data[at : at + size] = (number % 256**size).to_bytes(size, order)
    elif way == 3:
        del data[at:]
    elif way == 4:
        del data[at : at + length]
    elif way == 5:
        data[at:at] = data[at : at + length] * int(rng.integers(1, 50))
    elif way == 6:
        other = int(rng.integers(len(data)))
        data[at : at + length] = data[other : other + length]
    elif way == 7:
        data[at : at + int(rng.integers(0, 6))] = _WORDS[int(rng.integers(len(_WORDS)))]
    else:
        data = _swapped_line(data, rng) if is_text else bytearray(data[:at] + rng.bytes(8) + data[at:])
    return data


def _swapped_line(data: bytearray, rng: np.random.Generator) -> bytearray:
    lines = bytes(data).split(b"\n")
    one, other = rng.integers(len(lines), size=2)
    word = _WORDS[int(rng.integers(len(_WORDS)))]
    before, colon, _ = lines[one].partition(b":")
    lines[one] = before + colon + b" " + word if rng.random() < 0.6 else lines[other]
    return bytearray(b"\n".join(lines))
