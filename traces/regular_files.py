"""What stands in a file's place."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def in_place_of_file(path: str | os.PathLike[str]) -> str:
    """Say what stands where a file should, for a message: "a folder" or "no regular file"; else the empty text.

    Reading a pipe waits for its other end, and a device may have no end. Where there is nothing, or nobody may look,
    whoever opens it tells.
    """
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return ""
    if stat.S_ISREG(mode):
        return ""
    return "a folder" if stat.S_ISDIR(mode) else "no regular file"
