"""The storage formats by writing every bit: a segment as two strings of 0 and 1, and back.

Values are unsigned numbers of `value_bits` bits; of the metadata string, what tells how many values there are comes
first. A decoder is given the segment's length, and nothing else that is not in the strings.
"""

from __future__ import annotations

from math import ceil, log2


def binary(number: int, bits: int) -> str:
    """The number in so many bits."""
    assert 0 <= number < 2**bits
    return format(number, f"0{bits}b")


def encode(values: list[int], fmt: str, value_bits: int, segment: int, run_bits: int) -> tuple[str, str]:
    """Write one segment, perhaps a short one: (value string, metadata string)."""
    if fmt == "dense":
        return "".join(binary(v, value_bits) for v in values), ""
    if fmt == "bitmap":
        return "".join(binary(v, value_bits) for v in values if v), "".join("1" if v else "0" for v in values)
    stored, beside = [], []
    if fmt == "csc":
        for place, value in enumerate(values):
            if value:
                stored.append(value)
                beside.append(binary(place, place_bits(segment)))
    else:
        zeros = 0
        last = max((place for place, value in enumerate(values) if value), default=-1)
        for value in values[: last + 1]:
            if value or zeros == 2**run_bits - 1:  # the longest run is full: this element is stored, though it is zero
                stored.append(value)
                beside.append(binary(zeros, run_bits))
                zeros = 0
            else:
                zeros += 1
    count = binary(len(stored), ceil(log2(segment + 1)))
    return "".join(binary(v, value_bits) for v in stored), count + "".join(beside)


def decode(strings: tuple[str, str], length: int, fmt: str, value_bits: int, segment: int, run_bits: int) -> list[int]:
    """Read a segment of `length` elements back."""
    text, metadata = strings
    stored = [int(text[i : i + value_bits], 2) for i in range(0, len(text), value_bits)]
    if fmt == "dense":
        return stored
    if fmt == "bitmap":
        left = iter(stored)
        return [next(left) if bit == "1" else 0 for bit in metadata]
    count_bits = ceil(log2(segment + 1))
    assert int(metadata[:count_bits], 2) == len(stored)
    width = run_bits if fmt == "rle" else place_bits(segment)
    numbers = [int(metadata[i : i + width], 2) for i in range(count_bits, len(metadata), width)]
    values = [0] * length
    if fmt == "csc":
        for place, value in zip(numbers, stored, strict=True):
            values[place] = value
        return values
    at = 0
    for run, value in zip(numbers, stored, strict=True):
        at += run
        values[at] = value
        at += 1
    return values


def place_bits(segment: int) -> int:
    """Bits of a place in a segment."""
    return max(1, ceil(log2(segment)))


def plain_tile_bits(
    values: list[list[int]],
    rows: tuple[int, int],
    elements: tuple[int, int],
    fmt: str,
    value_bits: int,
    segment: int,
    run_bits: int,
) -> tuple[int, int]:
    """Bits of what a tile of the stored rows fetches: whole segments, or of dense exactly its elements."""
    value_total = metadata_total = 0
    for row in values[slice(*rows)]:
        if fmt == "dense":
            pieces = [row[slice(*elements)]]
        else:
            starts = range(0, len(row), segment)
            pieces = [
                row[s : s + segment] for s in starts if any(e // segment == s // segment for e in range(*elements))
            ]
        for piece in pieces:
            text, metadata = encode(piece, fmt, value_bits, segment, run_bits)
            value_total += len(text)
            metadata_total += len(metadata)
    return value_total, metadata_total
