"""Nothing that is read can crash, hang or fool the program."""

from __future__ import annotations

from reliability.promises import Promise

PROMISES: tuple[Promise, ...] = ()
