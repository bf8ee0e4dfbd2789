"""Tests notice when the model's code is changed."""

from __future__ import annotations

from reliability.promises import Promise

PROMISES: tuple[Promise, ...] = ()
