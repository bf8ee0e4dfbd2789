"""No wrong number without a word."""

from __future__ import annotations

from reliability.promises import Promise

PROMISES: tuple[Promise, ...] = ()
