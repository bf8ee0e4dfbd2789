"""How many bits an operand takes in DRAM, by format."""

from __future__ import annotations

FORMATS = ("dense", "bitmap")


def stored_bits(fmt: str, elements: int, nonzeros: int, value_bits: int) -> tuple[int, int]:
    """Count the bits of values and of metadata of an operand.

    Parameters
    ----------
    fmt : str
        ``"dense"``: every element, no metadata. ``"bitmap"``: the non-zeros packed, and one mask bit an element.
    elements, nonzeros : int
    value_bits : int
        Bits of one value.

    Returns
    -------
    (value bits, metadata bits)
    """
    if fmt == "dense":
        return elements * value_bits, 0
    if fmt == "bitmap":
        return nonzeros * value_bits, elements
    raise ValueError(f"format {fmt!r} is not one of {', '.join(FORMATS)}")


def bytes_of_bits(*bits: int) -> int:
    """Round each run of bits up to whole bytes and add them."""
    return sum(-(-b // 8) for b in bits)
