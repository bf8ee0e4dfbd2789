"""Whatever dies, fills up or goes away: nothing is lost."""

from __future__ import annotations

from reliability.promises import Promise

PROMISES: tuple[Promise, ...] = ()
