"""Text of somebody's file, made harmless for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """Replace what is not printable by question marks, so that a name in a file cannot steer the terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
