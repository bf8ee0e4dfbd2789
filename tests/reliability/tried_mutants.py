"""Tests against one mutant, in a process of its own that is forked where numpy, pytest and the like are loaded.

First the tests run once against the source as it is: which of them run which function, and how long each takes. Then
a mutant meets those that run its function, the quickest first, until one fails.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from reliability.changed_modules import put_in_place
from reliability.mutants import MODULE
from reliability.promises import ROOT

WARM = (
    "numpy",
    "pydantic",
    "yaml",
    "simpy",
    "click",
    "rich",
    "pandas",
    "llvmlite.binding",
    "pytest",
    "hypothesis.extra.numpy",
)
"""What takes long to import and holds nothing of ours."""
LOOKING = (
    "tests/reliability/test_frozen.py",
    "tests/arch/test_shipped_machines.py::test_schema_file_is_fresh",
    "tests/energy/test_energy_table.py::test_numbers_of_a_table",
    "tests/energy/test_energy_table.py::test_voltages_and_node",
    "tests/energy/test_energy_table.py::test_no_energy_area_or_power",
    "tests/energy/test_scaling.py::test_tables_are_those",
    "tests/energy/test_sram.py::test_widths_are_those",
)
"""Tests that look at classes, fields and constants instead of running functions."""
SLOWEST_TEST_SECONDS = 6.0
LONGEST_SECONDS = 6.0
"""Of tests against one mutant, as long as they took against the source as it is."""
PATIENCE = 10.0
"""A test that takes so many times as long as before, and two seconds, hangs: its mutant is noticed. All seconds are
of the CPU, so that other work on the machine notices no mutant; what sleeps is ended after `MOST_SECONDS` of wall."""
MOST_SECONDS = 900
FIRST_FILES, FIRST_TESTS = 2, 24
MOST_EXAMPLES = 30
"""Of a property, where its test asks for more: what is found can only be less."""
USED_SETTINGS = "_hypothesis_internal_use_settings"
MOST_MEMORY_BYTES = 6 << 30


@dataclass(frozen=True)
class Usual:
    """What the tests do against the source as it is: seconds and functions, as `FILE:FUNCTION`, by test."""

    seconds: Mapping[str, float]
    functions: Mapping[str, Collection[str]]


@dataclass(frozen=True)
class Outcome:
    """Of a mutant: the test that noticed it, if one did, how, and in what time."""

    noticed_by: str | None
    how: str
    seconds: float


def warm() -> None:
    """Load what all tests need, and keep machine code where nobody else's sources push it out."""
    os.environ["NUMBA_CACHE_DIR"] = str(ROOT / "build" / "mutants" / "kernels")
    for name in WARM:
        importlib.import_module(name)


def usual(folders: Iterable[str], changed: Mapping[str, Any], uncompiled: Collection[str]) -> Usual:
    """Run the tests once; `changed` modules tell which of their functions run."""
    told = list(_in_child(lambda tell: _run_watched(list(folders), changed, uncompiled, tell), 3600))
    good = [t for t in told if t.get("passed")]
    for t in told:
        if "failed" in t:
            print(f"  left out: {t['failed']} ({t['why']})", flush=True)
    return Usual({t["test"]: t["seconds"] for t in good}, {t["test"]: t["functions"] for t in good})


def chosen(usual: Usual, file: str, function: str) -> list[str]:
    """Name the tests for a mutant: those that run its function, then those beside them, the quickest first.

    A change outside of functions meets those that look at classes, and then all in whose files one runs any function
    of the changed file.
    """
    place = f"{file}:{function}"
    anywhere = function == MODULE or not any(place in ran for ran in usual.functions.values())
    running = {
        test
        for test, ran in usual.functions.items()
        if (any(name.startswith(f"{file}:") for name in ran) if anywhere else place in ran)
    }
    files = {test.partition("::")[0] for test in running}
    beside = {test for test in usual.seconds if test.partition("::")[0] in files}
    groups = [running, beside]
    if anywhere:
        groups = [{test for test in usual.seconds if test.startswith(LOOKING)}, running | beside]
    names: dict[str, float] = {}
    for group in groups:
        for test in sorted(group - names.keys(), key=lambda test: usual.seconds[test]):
            if names and sum(names.values()) + usual.seconds[test] > LONGEST_SECONDS:
                return list(names)
            names[test] = usual.seconds[test]
    return list(names)


def tried(module: str, code: Any, uncompiled: Collection[str], tests: list[str], usual: Usual) -> Outcome:
    """Run tests against a changed module until one notices."""
    start = time.monotonic()
    for part in _in_two(tests):
        limits = {test: PATIENCE * usual.seconds[test] + 2 for test in part}
        told = list(
            _in_child(
                lambda tell, limits=limits: _run_until_noticed({module: code}, uncompiled, limits, tell), MOST_SECONDS
            )
        )
        noticed = next((t["failed"] for t in told if "failed" in t), None)
        if noticed is not None:
            return Outcome(noticed, "failed", time.monotonic() - start)
        if not told or "all" not in told[-1]:
            now = [t["now"] for t in told if "now" in t]
            return Outcome(now[-1] if now else "at import", "hung or died", time.monotonic() - start)
    return Outcome(None, f"{len(tests)} tests passed", time.monotonic() - start)


def _in_two(tests: list[str]) -> list[list[str]]:
    """Set the first tests of few files apart: most mutants need no more, and reading a file of tests takes long too."""
    files = list(dict.fromkeys(test.partition("::")[0] for test in tests))[:FIRST_FILES]
    first = [test for test in tests if test.partition("::")[0] in files][:FIRST_TESTS]
    rest = [test for test in tests if test not in set(first)]
    return [part for part in (first, rest) if part]


def _in_child(work: Callable[[Callable[..., None]], None], seconds: int) -> Iterator[dict[str, Any]]:
    """Do work in a forked process that ends after it or after `seconds`; yields what it tells."""
    reading, writing = os.pipe()
    with tempfile.TemporaryDirectory(prefix="skipstone-mutant-") as folder:
        process = os.fork()
        if process == 0:
            os.close(reading)
            os.setsid()
            with open(os.devnull, "r+b") as nothing:  # noqa: PTH123 - a descriptor is wanted
                for descriptor in (0, 1, 2):
                    os.dup2(nothing.fileno(), descriptor)
            os.environ["TMPDIR"] = tempfile.tempdir = folder
            os.chdir(ROOT)
            resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
            signal.alarm(seconds)
            for name in [n for n in sys.modules if n.partition(".")[0] in ("simulator", "traces")]:
                del sys.modules[name]
            try:
                work(lambda **told: os.write(writing, (json.dumps(told) + "\n").encode()) and None)
            except BaseException as error:  # a mutant may raise anything
                os.write(writing, (json.dumps({"failed": "at import", "why": repr(error)}) + "\n").encode())
            finally:
                os._exit(0)
        os.close(writing)
        try:
            with os.fdopen(reading, encoding="utf-8") as lines:
                for line in lines:
                    yield json.loads(line)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)
            os.waitpid(process, 0)


def _pytest(paths: list[str], plugin: Any) -> None:
    import pytest
    from hypothesis import Phase, settings

    class Quick:
        """No failing example is made smaller, for nobody reads it, and there are fewer examples."""

        def pytest_collection_modifyitems(self, items: list[Any]) -> None:
            for item in items:
                function = getattr(item.obj, "__func__", item.obj)
                own = getattr(function, USED_SETTINGS, None)
                if own is not None and own.max_examples > MOST_EXAMPLES:
                    setattr(function, USED_SETTINGS, settings(own, max_examples=MOST_EXAMPLES))

        def pytest_sessionstart(self) -> None:
            settings.register_profile(
                "mutants", settings.get_profile("skipstone"), phases=(Phase.explicit, Phase.generate), database=None
            )
            settings.load_profile("mutants")

    options = ["-q", "--no-header", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not slow"]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    options += ["-W", "ignore:overflow encountered:RuntimeWarning"]  # kernels rely on words that wrap round
    pytest.main([*options, f"--basetemp={tempfile.gettempdir()}/pytest", *paths], plugins=[Quick(), plugin])


class _TooSlow(BaseException):
    pass


def _run_watched(folders: list[str], changed: Mapping[str, Any], uncompiled: Collection[str], tell: Any) -> None:
    import pytest

    seen: set[str] = set()
    sys.modules["builtins"].ran_by_a_test = seen.add  # type: ignore[attr-defined]
    put_in_place(changed, uncompiled)

    def too_slow(*_: Any) -> None:
        raise _TooSlow

    class Watch:
        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_protocol(self, item: Any) -> Any:
            seen.clear()
            self.why = ""
            start = time.process_time()
            for timer, number, seconds in (
                (signal.ITIMER_PROF, signal.SIGPROF, SLOWEST_TEST_SECONDS),
                (signal.ITIMER_REAL, signal.SIGALRM, 6 * SLOWEST_TEST_SECONDS),  # what waits for another program
            ):
                signal.signal(number, too_slow)
                signal.setitimer(timer, seconds)
            try:
                return (yield)
            except _TooSlow:
                self.why = "too slow"
                return True
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
                signal.setitimer(signal.ITIMER_REAL, 0)
                seconds = time.process_time() - start
                if self.why or seconds > SLOWEST_TEST_SECONDS:
                    tell(failed=item.nodeid, why=self.why or "too slow")
                else:
                    tell(passed=True, test=item.nodeid, seconds=seconds, functions=sorted(seen))

        def pytest_runtest_logreport(self, report: Any) -> None:
            if not report.passed:
                self.why = "skipped" if report.skipped else f"it fails: {str(report.longrepr)[-300:]}"

    _pytest(folders, Watch())


def _run_until_noticed(
    changed: Mapping[str, Any], uncompiled: Collection[str], limits: Mapping[str, float], tell: Any
) -> None:
    import pytest

    put_in_place(changed, uncompiled)
    order = {test: place for place, test in enumerate(limits)}

    class Watch:
        noticed = False

        def pytest_collection_modifyitems(self, items: list[Any]) -> None:
            items[:] = sorted((i for i in items if i.nodeid in order), key=lambda item: order[item.nodeid])
            if len(items) != len(order):
                self.tell_failed("at collection", "tests are missing")

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_protocol(self, item: Any) -> Any:
            tell(now=item.nodeid)
            signal.setitimer(signal.ITIMER_PROF, limits[item.nodeid])
            return (yield)

        def pytest_runtest_logreport(self, report: Any) -> None:
            if report.failed:
                self.tell_failed(report.nodeid, "")

        def pytest_collectreport(self, report: Any) -> None:
            if report.failed:
                self.tell_failed(f"{report.nodeid}, at import", "")

        def tell_failed(self, test: str, why: str) -> None:
            tell(failed=test, why=why)
            os._exit(0)

    _pytest(sorted({test.partition("::")[0] for test in limits}), Watch())
    tell(all=len(limits))
