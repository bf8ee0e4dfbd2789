"""The trials of a search, as an Optuna study keeps them: what was asked, what came of it, and what is to be asked next.

A trial is asked (a sampler says which combination), evaluated elsewhere, and told. Whatever happens between, the study
has what is needed to go on as if nothing had: a trial that was asked and not told is told later, and the randomness of
the next one depends on the seed and on how many were asked, on nothing that a process holds.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.explore.dimensions import dimensions, near, numbers_of, parameters
from simulator.explore.evaluate import Row
from simulator.explore.frontier import pareto
from simulator.explore.goals import Goals, Judgement
from simulator.explore.grid import Combinations
from simulator.explore.points import Point
from simulator.explore.sampling import Numbers, random_combinations
from traces.errors import InputError, nearest

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import FrozenTrial

SAMPLERS = ("tpe", "nsga2", "random", "qmc")
POPULATION = 24
"""Trials of a generation of NSGA-II; Optuna's 50 would leave a search of 100 trials one generation to learn from."""
MOST_IN_VAIN = 2
"""Times that a sampler may ask for what was tried before, or breaks a rule; then what is near to the best is taken."""
NEAR_STEPS = 2
"""Dimensions in which it may differ by a step before any other combination will do."""
LOOKED_AT = 4096
"""Any others that are looked at; all of them where there are no more."""

ASKED_WITHIN_SECONDS = 3.0
"""A trial of a database has its combination this long after it was made, or whoever made it is no more."""

ASKED, TOLD, MADE_OF = "asked", "row", "skipstone"
"""Attributes: of a trial, its combination and its row; of a study, what it is a search of."""


@dataclass(frozen=True)
class Asked:
    """A trial that is to be evaluated.

    Attributes
    ----------
    number : int
        Optuna's.
    numbers : tuple of int
        The combination.
    """

    number: int
    numbers: Numbers


def optuna() -> Any:
    """Import Optuna.

    Raises
    ------
    InputError
        If it is not installed, or older than what is needed.
    """
    try:
        found = import_module("optuna")
    except ImportError:
        hint = "pip install 'skipstone[search]'"
        raise InputError.of("search", "no Optuna, which is not installed", "optuna", hint) from None
    if int(found.__version__.partition(".")[0]) < 5:
        hint = "pip install 'skipstone[search]'"
        raise InputError.of("search", f"Optuna {found.__version__}", "version 5 or later", hint)
    return found


@contextmanager
def silence() -> Iterator[None]:
    """Keep Optuna's log messages from the terminal: what there is to say, we say."""
    log = optuna().logging
    before = log.get_verbosity()
    log.set_verbosity(log.CRITICAL)
    try:
        yield
    finally:
        log.set_verbosity(before)


def check_sampler(name: str) -> None:
    """Refuse a name that is no sampler's.

    Raises
    ------
    InputError
        If it is none.
    """
    if name not in SAMPLERS:
        raise InputError.of("sampler", repr(name), f"one of {', '.join(SAMPLERS)}", nearest(name, SAMPLERS))


def _counts_for_nothing(trial: FrozenTrial) -> bool:
    """Whether a trial that was asked was one again, or breaks a rule."""
    return trial.state.name == "FAIL" or (trial.state.name == "COMPLETE" and TOLD not in trial.user_attrs)


class Trials:
    """The trials of a study.

    Parameters
    ----------
    storage : optuna.storages.BaseStorage
    name : str
        Of the study; one that is there is gone on with.
    goals : Goals
    every : Combinations
        Of the space.
    made_of : mapping
        Plain data: what a search must be of to go on with the study.
    owner : str
        Who asks: several may share a study, but finish only what they asked themselves.
    sampler : str
        One of `SAMPLERS`.
    seed : int

    Raises
    ------
    InputError
        If the study is one of something else.
    """

    def __init__(
        self,
        storage: BaseStorage,
        name: str,
        goals: Goals,
        every: Combinations,
        made_of: Mapping[str, Any],
        owner: str = "",
        sampler: str = "tpe",
        seed: int = 0,
    ) -> None:
        self._goals, self._every, self._owner, self._sampler, self._seed = goals, every, owner, sampler, seed
        self._dimensions = dimensions(every.space)
        self._optuna = optuna()
        self._study: Study = self._optuna.create_study(
            study_name=name,
            storage=storage,
            directions=["minimize" if one.direction == "min" else "maximize" for one in goals.objectives],
            sampler=self._neutral(),
            load_if_exists=True,
        )
        self._distributions = self._of_dimensions()
        self._check(name, dict(made_of))

    def finished(self) -> list[tuple[Numbers, Row]]:
        """List the trials that were told, whoever asked them, in the order in which they were asked."""
        return [
            (tuple(trial.user_attrs[ASKED]["numbers"]), trial.user_attrs[TOLD])
            for trial in self._all()
            if trial.state.name == "COMPLETE" and TOLD in trial.user_attrs
        ]

    def under_way(self, alone: bool) -> tuple[int, list[Asked], bool]:
        """Find what was asked and not told by a process of this owner that is no more.

        Parameters
        ----------
        alone : bool
            Whether nobody else uses the study, so that a trial without a combination is of nobody who is at work.

        Returns
        -------
        batch : int
            Number of the last batch that was asked; -1 if there was none.
        asked : list of Asked
            What is left of it.
        whole : bool
            Whether all of the batch was asked.
        """
        self._drop_abandoned(alone)
        batch, asked, whole = -1, list[Asked](), True
        seen: set[str] = set()
        for trial in self._all():
            of = trial.user_attrs.get(ASKED)
            if of is None:
                continue
            repeated = of["identity"] in seen
            seen.add(of["identity"])
            if of["owner"] != self._owner or trial.state.name not in ("RUNNING", "COMPLETE"):
                continue
            if trial.state.name == "RUNNING" and repeated:
                self._drop(trial.number)
                continue
            if trial.state.name == "RUNNING" and self._every.broken_rule(tuple(of["numbers"])) is not None:
                self._tell(trial.number, self._goals.judge({}))
                continue
            if trial.state.name == "COMPLETE" and TOLD not in trial.user_attrs:
                continue
            if of["batch"] != batch:
                batch, asked, whole = of["batch"], [], False
            if trial.state.name == "RUNNING":
                asked.append(Asked(trial.number, tuple(of["numbers"])))
            else:
                whole = True
        return batch, asked, whole

    def _drop_abandoned(self, alone: bool) -> None:
        """End trials that a kill left without a combination: samplers would look at them as at those under way.

        One of another search has its combination in a moment. If it is ended all the same, that search asks again.
        """
        abandoned = self._without_combination()
        if abandoned and not alone:
            time.sleep(ASKED_WITHIN_SECONDS)
        for number in abandoned & self._without_combination():
            self._drop(number)

    def _without_combination(self) -> set[int]:
        return {t.number for t in self._all() if t.state.name == "RUNNING" and ASKED not in t.user_attrs}

    def ask(self, batch: int) -> Asked | None:
        """Ask for a combination that no trial has had yet, and that breaks no rule of the space.

        A sampler is told of those that break one, as of others that are not feasible, but they count for nothing.

        Parameters
        ----------
        batch : int
            Number of the batch that it is to be in.

        Returns
        -------
        Asked or None
            None where there is none any more, or none is found among many.
        """
        while True:
            trials = self._all()
            before = [trial for trial in trials if ASKED in trial.user_attrs]
            tried = {trial.user_attrs[ASKED]["identity"] for trial in before}
            rng = np.random.SeedSequence([self._seed, len(before)])
            in_vain = sum(1 for _ in itertools.takewhile(_counts_for_nothing, reversed(before)))
            if in_vain >= MOST_IN_VAIN and not any(trial.state.name == "WAITING" for trial in trials):
                untried = self._untried(tried, np.random.default_rng(rng))
                if untried is None:
                    return None
                self._study.enqueue_trial(dict(parameters(self._dimensions, untried)))
            self._study.sampler = self._seeded(int(rng.generate_state(1)[0]), len(before))
            try:
                trial = self._study.ask(self._distributions)
                numbers = numbers_of(self._dimensions, trial.params)
                identity = self.identity(numbers)
                of = {"numbers": numbers, "identity": identity, "batch": batch, "owner": self._owner}
                trial.set_user_attr(ASKED, of)
            except self._optuna.exceptions.UpdateFinishedTrialError:
                continue  # another search took it for an abandoned one
            if identity in tried:
                self._drop(trial.number)
            elif self._every.broken_rule(numbers) is not None:
                self._tell(trial.number, self._goals.judge({}))
            else:
                return Asked(trial.number, numbers)

    def tell(self, asked: Asked, row: Row, judgement: Judgement) -> None:
        """Tell what came of a trial."""
        self._tell(asked.number, judgement, row)

    def _tell(self, number: int, judgement: Judgement, row: Row | None = None) -> None:
        self._study.sampler = self._neutral()
        trial = self._optuna.trial.Trial(self._study, self._frozen(number)._trial_id)
        if row is not None:
            trial.set_user_attr(TOLD, row)
        for name, violation in judgement.violations.items():
            if name not in trial.constraints:  # or a process that is no more has told it
                trial.set_constraint(name, violation)
        self._study.tell(trial, list(judgement.values))

    def identity(self, numbers: Numbers) -> str:
        """Give a text that is equal for combinations that differ in nothing that counts."""
        entry = self._every.entry(numbers)
        if isinstance(entry, Point):
            return entry.key
        told = json.dumps([entry.machine, entry.trace, entry.settings, entry.reason])
        return hashlib.sha256(told.encode()).hexdigest()

    def _all(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def _frozen(self, number: int) -> FrozenTrial:
        return next(trial for trial in self._all() if trial.number == number)

    def _drop(self, number: int) -> None:
        """End a trial that nothing will come of; samplers do not look at it."""
        self._study.sampler = self._neutral()
        self._study.tell(number, state=self._optuna.trial.TrialState.FAIL)

    def _untried(self, tried: set[str], rng: np.random.Generator) -> Numbers | None:
        """Draw a combination that was not tried, if possible near to one that no other beats (Pareto local search).

        None where there is none, or none among as many as are looked at.
        """
        sizes = self._every.sizes
        any_other = random_combinations(sizes, min(math.prod(sizes), LOOKED_AT), int(rng.integers(1 << 32)))
        for numbers in itertools.chain(near(self._dimensions, self._best(), NEAR_STEPS, rng), any_other):
            if self.identity(numbers) not in tried and self._every.broken_rule(numbers) is None:
                return numbers
        return None

    def _best(self) -> list[Numbers]:
        """List the combinations that are feasible and that no other beats; `Study.best_trials` copies all trials."""
        kept = [
            trial
            for trial in self._all()
            if trial.state.name == "COMPLETE" and ASKED in trial.user_attrs
            and all(violation <= 0 for violation in trial.constraints.values())
        ]  # fmt: skip
        signs = [1.0 if direction.name == "MINIMIZE" else -1.0 for direction in self._study.directions]
        costs = np.array([trial.values for trial in kept]).reshape(-1, len(signs)) * signs
        return [tuple(kept[i].user_attrs[ASKED]["numbers"]) for i in np.flatnonzero(pareto(costs)).tolist()]

    def _neutral(self) -> BaseSampler:
        """Give a sampler for what needs one but is not to sample."""
        sampler: BaseSampler = self._optuna.samplers.RandomSampler(seed=0)
        return sampler

    def _seeded(self, seed: int, before: int) -> BaseSampler:
        samplers = self._optuna.samplers
        sampler: BaseSampler
        if self._sampler == "tpe":
            sampler = samplers.TPESampler(seed=seed)
        elif self._sampler == "nsga2":
            sampler = samplers.NSGAIISampler(seed=seed, population_size=POPULATION)
        elif self._sampler == "random":
            sampler = samplers.RandomSampler(seed=seed)
        else:
            sampler = self._quasi_random(seed, before)
        return sampler

    def _quasi_random(self, seed: int, before: int) -> BaseSampler:
        """Give Optuna's QMC, but whose place in the sequence is the number of trials asked before.

        Optuna counts in the storage, and a kill between that and the trial would skip a place.
        """
        base: Any = self._optuna.samplers.QMCSampler

        class QuasiRandom(base):  # type: ignore[misc] # its base is not there before Optuna is imported
            def _find_sample_id(self, *_: object) -> int:
                return before

        with warnings.catch_warnings():  # "QMCSampler is experimental"
            warnings.simplefilter("ignore", self._optuna.exceptions.ExperimentalWarning)
            sampler: BaseSampler = QuasiRandom(
                seed=self._seed,  # one sequence for all trials
                scramble=True,
                independent_sampler=self._optuna.samplers.RandomSampler(seed=seed),
                warn_independent_sampling=False,
            )
        return sampler

    def _of_dimensions(self) -> dict[str, BaseDistribution]:
        of = self._optuna.distributions
        return {
            d.name: of.CategoricalDistribution(d.labels)
            if d.ascending is None
            else of.IntDistribution(0, len(d.labels) - 1)
            for d in self._dimensions
            if len(d.labels) > 1
        }

    def _check(self, name: str, made_of: dict[str, Any]) -> None:
        """See that the study is one of what this search is of, and say so where it is new."""
        made_of = json.loads(json.dumps(made_of))
        known = self._study.user_attrs.get(MADE_OF)
        if known is None:
            if self._study.get_trials(deepcopy=False):
                found = f"the study {name!r}, which is not of a search of skipstone"
                raise InputError.of("storage", found, "an empty study, or another name", "write --study NAME")
            self._study.set_user_attr(MADE_OF, made_of)
            return
        differing = [key for key in made_of if known.get(key) != made_of[key]]
        if differing:
            found = f"the study {name!r}, begun with other {' and '.join(differing)}"
            raise InputError.of("search", found, "the same as when it was begun", "begin anew in another --out folder")
        last = next(reversed([(t.user_attrs[ASKED]) for t in self._all() if ASKED in t.user_attrs]), None)
        if last is not None and self.identity(tuple(last["numbers"])) != last["identity"]:
            found = f"the study {name!r}, begun with other files"
            expected = "machines, tables and traces as they were when it was begun"
            raise InputError.of("search", found, expected, "begin anew in another --out folder")
