"""`make faults`: kill commands at random and at chosen moments, look at what is left, go on, and compare the bytes."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reliability import faults
from reliability.dying import Death
from reliability.processes import Process, forked, import_all, of_session, started
from reliability.promises import keep
from reliability.victims import VICTIMS, Victim, make_inputs
from reliability.wholeness import Content, content_of, damages, differences, unfinished

GONE_WITHIN_SECONDS = 30.0
MOMENTS = ("at a random time", "before a file event", "in the midst of a write", "at a random time, with its pool")


@dataclass(frozen=True)
class Course:
    """A command in a folder, undisturbed: what was there before, what it makes of it, and how long that takes.

    Attributes
    ----------
    before, whole : dict
        Bytes by path below the folder.
    seconds : float
    events : int
        Of files in the folder, see `reliability.dying`.
    """

    before: Content
    whole: Content
    seconds: float
    events: int


class Killer:
    """Kills commands, and keeps count of what came of it.

    Parameters
    ----------
    home : Path
        A folder of its own; the inputs are in its ``in``.
    seed : int
    """

    def __init__(self, home: Path, seed: int) -> None:
        self._home, self._random, self._said = home, random.Random(seed), home / "stderr"
        self._courses: dict[tuple[str, bool], Course] = {}
        self.kills: Counter[str] = Counter()
        self.moments: Counter[str] = Counter()
        self.resumed = self.left = self.cut = self.ended_before = 0
        self.violations: list[str] = []
        make_inputs(home / "in")
        import_all()

    def kill(self, victim: Victim, moment: str, over_old: bool) -> bool:
        """Kill a command once; say whether it lived long enough for that."""
        course = self._course(victim, over_old)
        folder = self._folder(course.before)
        death = self._death(folder, course, moment)
        process = self._run(victim, victim.words, folder, death)
        if moment not in MOMENTS[1:3]:
            time.sleep(self._random.uniform(0, course.seconds))
            # Not yet waited for, so that the number is still its own.
            (os.killpg if moment == MOMENTS[3] else os.kill)(process.pid, signal.SIGKILL)
        code = process.wait()
        if code == 0:
            self.ended_before += 1
            return False
        self._look(victim, moment, folder, course, process.pid, code)
        self._go_on(victim, moment, folder, course)
        return True

    def _look(self, victim: Victim, moment: str, folder: Path, course: Course, session: int, code: int) -> None:
        where = f"{victim.kind}, {moment}"
        self.kills[victim.kind] += 1
        self.moments[moment] += 1
        said = self._said.read_text(encoding="utf-8", errors="replace")
        of_pool = victim.pooled and code == 2 and "a process that died or was killed" in said
        if code not in (-signal.SIGKILL, -signal.SIGXFSZ) and not of_pool:
            self.violations.append(f"{where}: ended with {code}, not by the kill: {said}")
        end = time.monotonic() + GONE_WITHIN_SECONDS
        while (strays := of_session(session)) and time.monotonic() < end:
            time.sleep(0.05)
        self.violations += [f"{where}: process {stray} lives on" for stray in strays]
        self.violations += [f"{where}: {damage}" for damage in damages(folder, course.before, course.whole, of_pool)]
        self.cut += bool(unfinished(content_of(folder)))

    def _go_on(self, victim: Victim, moment: str, folder: Path, course: Course) -> None:
        said = []
        for words in victim.again or (victim.words,):
            code = self._run(victim, words, folder).wait()
            if code == 0:
                break
            said.append(self._said.read_text(encoding="utf-8", errors="replace"))
            if code != 2 or "Traceback" in said[-1]:
                break
        where = f"{victim.kind}, {moment}, resumed"
        if code:
            self.violations.append(f"{where}: ended with {code}: {' '.join(said)}")
            return
        wrong = differences(folder, course.whole)
        self.violations += [f"{where}: {difference}" for difference in wrong]
        self.resumed += not wrong
        self.left += len(unfinished(content_of(folder)))

    def _course(self, victim: Victim, over_old: bool) -> Course:
        """Run a command undisturbed, once."""
        key = (victim.kind, over_old)
        if key not in self._courses:
            before: Content = {}
            if over_old:
                folder = self._folder({})
                self._finish(victim, victim.earlier, folder)
                before = content_of(folder)
            folder = self._folder(before)
            tally = self._home / "tally"
            tally.unlink(missing_ok=True)
            begin = time.monotonic()
            self._finish(victim, victim.words, folder, Death(str(folder), tally=str(tally)))
            seconds = time.monotonic() - begin
            self._courses[key] = Course(before, content_of(folder), seconds, int(tally.read_text()))
        return self._courses[key]

    def _death(self, folder: Path, course: Course, moment: str) -> Death:
        if moment == MOMENTS[1]:
            return Death(str(folder), event=self._random.randint(1, course.events))
        if moment == MOMENTS[2]:
            new = [name for name, raw in course.whole.items() if raw != course.before.get(name)]
            largest = max(len(course.whole[name]) for name in new)
            size = len(course.whole[self._random.choice(new)])
            return Death(str(folder), largest_bytes=self._random.randint(1, max(1, min(size, largest) - 1)))
        return Death(str(folder))

    def _folder(self, content: Content) -> Path:
        folder = self._home / "out"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, raw in content.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(raw)
        return folder

    def _run(self, victim: Victim, words: str, folder: Path, death: Death | None = None) -> Process:
        start = started if victim.pooled else forked
        environment = {**(death or Death(str(folder))).environment(), "SKIPSTONE_CHECKPOINTS": "every step"}
        return start(words.replace("IN/", f"{self._home / 'in'}/").split(), folder, environment, self._said)

    def _finish(self, victim: Victim, words: str, folder: Path, death: Death | None = None) -> None:
        code = self._run(victim, words, folder, death).wait()
        if code:
            raise RuntimeError(f"undisturbed, it ended with {code}: {words}: {self._said.read_text()}")


def moments_of(victim: Victim) -> Sequence[str]:
    """List the kinds of moments that a command is killed at."""
    return (*MOMENTS[:1], MOMENTS[1], MOMENTS[0], MOMENTS[2], *(MOMENTS[3:] if victim.pooled else ()))


def figures_of(killer: Killer) -> Mapping[str, int | str]:
    """Give what was found, as RELIABILITY.md has it."""
    return {
        "kills": killer.kills.total(),
        "of what": ", ".join(f"{kind} {count}" for kind, count in sorted(killer.kills.items())),
        "moments": ", ".join(f"{moment} {count}" for moment, count in sorted(killer.moments.items())),
        "kills that left a hidden unfinished file": killer.cut,
        "such files after going on": killer.left,
        "resumed to the same bytes": killer.resumed,
        "violations": len(killer.violations),
    }


def main() -> None:
    """Kill, tell on stderr, and keep the figures; exit with 1 where anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="part of a kind")
    parser.add_argument("--dry", action="store_true", help="keep no figures")
    chosen = parser.parse_args()
    victims = [victim for victim in VICTIMS if chosen.only in victim.kind]
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as home:
        killer = Killer(Path(home), chosen.seed)
        number = 0
        while killer.kills.total() < chosen.kills:
            victim = victims[number % len(victims)]
            turn = number // len(victims)
            moments = moments_of(victim)
            told = len(killer.violations)
            killer.kill(victim, moments[turn % len(moments)], over_old=turn // len(moments) % 2 == 1)
            number += 1
            for violation in killer.violations[told:]:
                print(violation, file=sys.stderr, flush=True)
            print(f"\r{killer.kills.total()}/{chosen.kills} kills", end="", file=sys.stderr, flush=True)
    figures = figures_of(killer)
    print("", *(f"{name}: {value}" for name, value in figures.items()), sep="\n", file=sys.stderr)
    if not chosen.dry:
        keep(faults.KILLED, figures, time.monotonic() - begin)
    sys.exit(1 if killer.violations else 0)


if __name__ == "__main__":
    main()
