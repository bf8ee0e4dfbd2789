"""A search from a space to the best of its combinations, without trying all of them.

Combinations are asked for in batches of a fixed size, evaluated as a sweep evaluates them, with its store and in its
pool, and told in the order in which they were asked. So what is found depends on the seed and on the size of a batch,
but on neither the number of processes nor on kills between: the study (`trials`) has what is needed to go on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from simulator.cpus import usable_cpus
from simulator.explore import table
from simulator.explore.dimensions import dimensions
from simulator.explore.evaluate import Row
from simulator.explore.finished import with_quality
from simulator.explore.goals import Goals
from simulator.explore.grid import Combinations, no_valid_point
from simulator.explore.order import sharing_order
from simulator.explore.points import Point, Refusal
from simulator.explore.pool import Pool
from simulator.explore.quality import Quality
from simulator.explore.sampling import Sample, random_combinations
from simulator.explore.space import Space, load_space
from simulator.explore.store import Store, code_digest
from simulator.explore.study_storage import check_url, opened
from simulator.explore.sweeping import (
    Observer,
    Outcome,
    changed_meanwhile,
    check_workers,
    evaluator,
    is_of_changed_files,
    known_row,
    open_store,
)
from simulator.explore.trials import Asked, Trials, check_sampler, optuna, silence
from simulator.report.files import PathLike, check_writable, make_folder, write_bytes_atomically
from traces.errors import InputError
from traces.interruption import StopRequest, stop_on_signals

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_OBJECTIVES = ("cycles", "energy")
DEFAULT_TRIALS = 100
DEFAULT_BATCH = 8
LOOKED_AT = 256
"""Combinations that are looked at, not evaluated, before a search, to see whether its axes are about anything."""
MOST_EVALUATED = 16
"""Points that are evaluated before a search, to see whether some machine tells the measures that it is to find."""


@dataclass(frozen=True, kw_only=True)
class Found(Outcome):
    """What a search came to: an `Outcome` whose points are the trials that were asked for.

    Its rows are the trials in the order in which they were asked, with a column ``trial`` and one ``feasible``; `kept`
    are those of the study before.

    Attributes
    ----------
    goals : Goals
    exhausted : bool
        Whether it ended before because no combination was left that had not been tried.
    no_workload : tuple of str
        What was chosen among though it is work to be done, and nothing speaks for more of it: phases, and traces where
        no objective and no constraint is about their quality.
    """

    goals: Goals
    exhausted: bool
    no_workload: tuple[str, ...] = ()

    @property
    def best(self) -> list[Row]:
        """The feasible rows that no other one beats, in the order of the trials."""
        return self.goals.best(self.rows)

    def frame(self) -> pd.DataFrame:
        """Give the rows as a data frame with the columns of the CSV."""
        return table.frame(self.axes, self.rows)


def search(
    space: Space | PathLike | Mapping[str, Any],
    objectives: Sequence[str] = DEFAULT_OBJECTIVES,
    trials: int = DEFAULT_TRIALS,
    out: PathLike | None = None,
    workers: int | None = None,
    observer: Observer | None = None,
    *,
    constraints: Sequence[str] = (),
    sampler: str = "tpe",
    seed: int = 0,
    batch: int = DEFAULT_BATCH,
    storage: str | None = None,
    study: str | None = None,
    store: PathLike | None = None,
    quality: str | None = None,
    file_format: str = "csv",
) -> Found:
    """Look for the best combinations of a space, by Optuna.

    Goes on where a search of the same study was, if there is one. SIGINT (Ctrl-C) or SIGTERM ends it early: what is
    finished is kept and written, and it returns as usual. In a script, call it under ``if __name__ == "__main__":`` or
    with ``workers=1``.

    Parameters
    ----------
    space : Space, path, name or mapping
        As `sweep` takes it. Its ``sample`` is not looked at.
    objectives : sequence of str
        Columns of a sweep's table, or short names for them (`simulator.explore.goals.SHORT_NAMES`), with ``:min`` or
        ``:max`` where the name does not say it.
    trials : int
        Different combinations to try, those of the study before among them. Invalid ones count.
    out : path, optional
        Folder for ``results.csv``, the journal and the store.
    workers : int, optional
        Processes; default: one for each core that this process may use.
    observer : callable, optional
        Called with (trials done, all trials), first with those of the study before.
    constraints : sequence of str
        ``COLUMN<=NUMBER`` or ``COLUMN>=NUMBER``.
    sampler : {"tpe", "nsga2", "random", "qmc"}
    seed : int
        At least 0.
    batch : int
        Trials that are asked for at a time, and can so be evaluated at a time.
    storage : str, optional
        URL of a database instead of the journal in `out`.
    study : str, optional
        Its name there; default: the space's.
    store : path, optional
        Folder of outcomes to share with sweeps and other searches; default: ``store`` in `out`, or none.
    quality : str, optional
        ``FILE.csv:COLUMN:min`` (or ``:max``), see `simulator.explore.quality`, instead of the space's.
    file_format : {"csv", "parquet"}
        Of the table.

    Raises
    ------
    InputError
        If the space or an argument is not as it must be, the study is one of something else, no combination can be
        evaluated, or Optuna is not installed.
    """
    if isinstance(space, Mapping):
        space = Space.parse(space)
    elif not isinstance(space, Space):
        space = load_space(space)
    goals = Goals.parse(objectives, constraints)
    check_workers(workers)
    check_sampler(sampler)
    for name, value, least in (("trials", trials, 1), ("seed", seed, 0), ("batch", batch, 1)):
        if value < least:
            raise InputError.of(name, str(value), f"a whole number of at least {least}")
    optuna()  # told before anything is written
    check_url(storage)
    if quality is not None:
        space = replace(space, quality=Quality.read(quality, [source.name for source in space.traces]))
    every = Combinations(replace(space, sample=Sample("random")))
    some = _look_around(every)
    points = [entry for entry in some if isinstance(entry, Point)]
    encode = table.encoder(file_format)
    path = None
    if out is not None:
        path = make_folder(out) / f"results.{file_format}"
        check_writable(path)
    mechanisms = [type(point.machine.skipping) for point in points]
    kept = open_store(mechanisms, out, store)
    with (
        stop_on_signals() as stop,
        silence(),
        opened(out, storage) as place,
        Pool(min(workers or usable_cpus(), batch)) as pool,
    ):
        _check_goals(goals, space, points, kept, stop)
        made_of = _made_of(space, every, goals, code_digest(mechanisms))
        asked = Trials(place.storage, study or space.name, goals, every, made_of, place.owner, sampler, seed)
        walk = _Walk(space, every, goals, asked, kept, pool)
        before = len(walk.trials.finished())

        def write() -> tuple[Row, ...]:
            rows = walk.rows()
            if path is not None and rows:
                write_bytes_atomically(path, encode(space.columns, rows))
            return rows

        try:
            exhausted = walk.go(trials, batch, place.alone, stop, observer or (lambda done, total: None))
        except BaseException:
            write()  # our own fault, or a second Ctrl-C: the finished trials are no worse for it
            raise
        rows = write()
    choices = {"phases": len(space.phases) > 1, "traces": len(space.traces) > 1 and not goals.about_quality}
    work = tuple(name for name, many in choices.items() if many)
    left = 0 if exhausted else max(0, trials - len(rows))
    found = Found(
        space.columns,
        rows,
        trials,
        before,
        left,
        stop.signal_number,
        path,
        goals=goals,
        exhausted=exhausted,
        no_workload=work,
    )
    if not left and all(row["status"] == "invalid" for row in rows):
        refusals = [entry.reason for entry in some if isinstance(entry, Refusal)]
        raise InputError(no_valid_point(space.source, list(found.invalid) or refusals))
    return found


class _Walk:
    """Batch after batch: asked, evaluated, told."""

    def __init__(
        self, space: Space, every: Combinations, goals: Goals, trials: Trials, kept: Store | None, pool: Pool
    ) -> None:
        self.trials = trials
        self._space, self._every, self._goals, self._kept, self._pool = space, every, goals, kept, pool
        self._evaluate = evaluator(kept)

    def go(self, wanted: int, size: int, alone: bool, stop: StopRequest, observe: Observer) -> bool:
        """Search until enough is finished; say whether no combination was left before that."""
        number, asked, whole = self.trials.under_way(alone)
        exhausted = False
        observe(min(len(self.trials.finished()), wanted), wanted)
        while True:
            done = len(self.trials.finished())
            if done >= wanted or stop:
                return False
            if not asked:
                number, whole = number + 1, False
            while not whole and not stop and len(asked) < min(size, wanted - done):
                one = self.trials.ask(number)
                exhausted = whole = one is None
                asked += [] if one is None else [one]
            if exhausted and not asked:
                return True
            self._finish(asked, stop, partial(_observe_more, observe, done, wanted))
            asked = []

    def rows(self) -> tuple[Row, ...]:
        """Give the table's rows."""
        rows = []
        for place, (_, row) in enumerate(self.trials.finished()):
            told = with_quality(self._space, row)
            rows.append({"trial": place, "feasible": "yes" if self._goals.judge(told).feasible else "no", **told})
        return tuple(rows)

    def _finish(self, asked: Sequence[Asked], stop: StopRequest, observe: Callable[[int], None]) -> None:
        """Evaluate and tell trials; those that a stop keeps from being evaluated are left as they are."""
        entries = [self._every.entry(one.numbers) for one in asked]
        rows: list[Row | None] = [known_row(entry, self._kept) for entry in entries]
        to_do = [(place, e) for place, e in enumerate(entries) if isinstance(e, Point) and rows[place] is None]
        order, groups = sharing_order([point for _, point in to_do])
        places = [to_do[number][0] for number in order]
        points = [to_do[number][1] for number in order]
        done = len(entries) - len(points)
        if done:
            observe(done)
        for number, row in self._pool.run(points, self._evaluate, lambda: bool(stop), groups):
            rows[places[number]] = row
            done += 1
            observe(done)
        gone = list[str]()
        for one, entry, known in zip(asked, entries, rows, strict=True):
            if known is not None and is_of_changed_files(entry, known):
                gone.append(str(known["error"]))  # asked as it is, it is evaluated when the search goes on
            elif known is not None:
                self.trials.tell(one, known, self._goals.judge(with_quality(self._space, known)))
        if gone:
            raise changed_meanwhile(gone)


def _observe_more(observe: Observer, before: int, wanted: int, more: int) -> None:
    observe(min(before + more, wanted), wanted)


def _look_around(every: Combinations) -> list[Point | Refusal]:
    """Look at some combinations of a space.

    Raises
    ------
    InputError
        If an axis or a condition is over a key that no machine has.
    """
    drawn = random_combinations(every.sizes, min(math.prod(every.sizes), LOOKED_AT), 0)
    some = [every.entry(numbers) for numbers in drawn]
    problems = every.problems()
    if problems:
        raise InputError(problems)
    return some


def _check_goals(goals: Goals, space: Space, points: Sequence[Point], kept: Store | None, stop: StopRequest) -> None:
    """See whether the machines tell the measures that are asked for, by evaluating some until one tells all.

    Raises
    ------
    InputError
        If a measure is told by none.
    """
    evaluate, rows = evaluator(kept), list[Row]()
    for point in points[:MOST_EVALUATED]:
        rows.append(with_quality(space, evaluate(point)))
        if stop or not goals.missing(rows[-1]):
            return
    told = [row for row in rows if row["status"] == "ok"]
    if told:
        goals.check_told(told)


def _made_of(space: Space, every: Combinations, goals: Goals, code: str) -> dict[str, Any]:
    """Say what a study must be of, that a search of this space and these goals may go on with it."""
    return {
        "axes": {d.name: d.labels for d in dimensions(space)},
        "machines": [machine.digest for machine in space.machines],
        "traces": [r if isinstance(r, str) else [r.sha256, r.steps] for r in every.replayed.values()],
        "objectives": [str(objective) for objective in goals.objectives],
        "constraints": [str(constraint) for constraint in goals.constraints],
        "quality": None if space.quality is None else [space.quality.figures, space.quality.better],
        "code": code,
    }
