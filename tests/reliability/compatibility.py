"""Old files, old and new Pythons and packages."""

from __future__ import annotations

from reliability.promises import Promise

PROMISES: tuple[Promise, ...] = ()
