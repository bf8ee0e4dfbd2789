"""What kernels take, and how it is laid in the table of 64-bit words that their machine code reads."""

from __future__ import annotations

from typing import Any

import numpy as np

Kind = tuple[Any, ...]
INTEGER: Kind = ("integer",)
NOTHING: Kind = ("none",)


def kind_of(value: Any) -> Kind:
    """Say what a value is: an array of a type and number of dimensions, an integer, None, or a named tuple of these.

    Raises
    ------
    TypeError
        If it is anything else, or an array that is not C-contiguous.
    """
    kind = type(value)
    if kind is np.ndarray:
        if not value.flags.c_contiguous:
            raise TypeError(f"an array of shape {value.shape} that is not C-contiguous")
        return ("array", value.dtype.str, value.ndim)
    if kind is int or isinstance(value, np.integer | bool | np.bool_ | int):
        return INTEGER
    if value is None:
        return NOTHING
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return ("tuple", kind, tuple([kind_of(part) for part in value]))
    raise TypeError(f"{kind.__name__} in place of an array, an integer, None or a named tuple of these")


def words_of(args: tuple[Any, ...], words: list[int]) -> list[int]:
    """Append the words of arguments: addresses and shapes of arrays, integers as they are, of None nothing."""
    for value in args:
        if type(value) is np.ndarray:
            words.append(value.__array_interface__["data"][0])
            words.extend(value.shape)
        elif isinstance(value, tuple):
            words_of(value, words)
        elif value is not None:
            words.append(int(value))
    return words
