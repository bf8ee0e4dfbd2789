"""Runs command lines in a process that tells every socket, every program and every pickle of its own and its workers'.

`python -m reliability.listening WORDS... [--then WORDS...]`: what was told is appended to the file that the environment
names, a line each. Spawned workers tell it too, for this is their main module as well.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

TOLD = "SKIPSTONE_TEST_TOLD"
LISTENS = "listens to process"
NETWORK = ("socket.", "urllib.", "http.", "ftplib.", "smtplib.", "ssl.")
PROGRAMS = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen", "pty.spawn")


def listen() -> None:
    """Tell what this process does from now on; a hook cannot be taken away again."""
    file = os.open(os.environ[TOLD], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(NETWORK) or event in PROGRAMS:
            os.write(file, f"{event} {arguments!r}"[:300].replace("\n", " ").encode() + b"\n")

    sys.addaudithook(hook)
    os.write(file, f"{LISTENS} {os.getpid()}\n".encode())


def run(words: list[str]) -> None:
    """Run one command line of `skipstone`."""
    from simulator.cli import skipstone

    skipstone.main(words, standalone_mode=False)


if TOLD in os.environ:
    listen()

if __name__ == "__main__":
    line: list[str] = []
    for word in [*sys.argv[1:], "--then"]:
        if word == "--then":
            run(line)
            line = []
        else:
            line.append(word)
    with Path(os.environ[TOLD]).open("a", encoding="utf-8") as told:
        told.write("done\n")
