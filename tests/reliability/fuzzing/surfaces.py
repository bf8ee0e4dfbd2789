"""All surfaces."""

from __future__ import annotations

from reliability.fuzzing.archives import ARCHIVES
from reliability.fuzzing.commands import COMMAND_LINES
from reliability.fuzzing.files import FILES
from reliability.fuzzing.texts import TEXTS

SURFACES = (*TEXTS, *ARCHIVES, *FILES, *COMMAND_LINES)
