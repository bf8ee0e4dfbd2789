"""`make reliability`: write RELIABILITY.md anew from what the long commands found."""

from __future__ import annotations

from reliability.page import PATH, page
from simulator.report.files import write_text_atomically

if __name__ == "__main__":
    write_text_atomically(PATH, page())
