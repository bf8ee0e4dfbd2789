"""What is run, read, sent and installed."""

from __future__ import annotations

from reliability.promises import Promise

PROMISES: tuple[Promise, ...] = ()
