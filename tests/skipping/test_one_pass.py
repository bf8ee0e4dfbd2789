"""`run_pass`: a mechanism on one mask, and what it says of wrong input."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest

from simulator.arch import mechanism_of
from simulator.arch.mechanism import Mechanism
from simulator.skipping import Dense, Lookahead, PassResult, run_pass
from traces.errors import InputError

MASK = np.array([[1, 0, 0, 1, 0], [0, 0, 1, 1, 0]], dtype=np.bool_)


def test_a_pass_counted_by_hand() -> None:
    # Base 0: lane 0 takes 0, lane 1 waits for 2 to enter. Base 1: lane 1 takes 2, lane 0 waits for 3.
    # Base 2: both take 3. Bases 3 and 4: nobody needs anything.
    result = run_pass(MASK, {"mechanism": "lookahead", "depth": 2, "refill": 1, "banks": None})
    assert result == PassResult(
        cycles=5,
        executed=4,
        gated=0,
        skipped=6,
        idle=6,
        imbalance=2,
        conflict=0,
        refill=4,
        fetches=5,
        reads=3,
    )
    assert all(type(value) is int for value in vars(result).values())


def test_a_result_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        run_pass(MASK, Dense()).cycles = 1  # type: ignore[misc]


def test_a_mapping_equals_its_model() -> None:
    spec = {"mechanism": "lookahead", "depth": 4, "refill": None}
    assert mechanism_of(spec) == Lookahead(depth=4, refill=None)
    assert run_pass(MASK, spec) == run_pass(MASK, Lookahead(depth=4, refill=None))
    assert spec == {"mechanism": "lookahead", "depth": 4, "refill": None}


def test_no_positions_take_no_cycles() -> None:
    for spec in ("dense", "gated", "vector_skip", "ideal"):
        assert run_pass(np.zeros((3, 0), np.bool_), {"mechanism": spec}).cycles == 0


def test_the_mask_of_a_plain_dense_array_is_not_read() -> None:
    reads_it = {name: mechanism_of({"mechanism": name}).uses_mask for name in ("dense", "gated", "ideal")}
    assert reads_it == {"dense": False, "gated": True, "ideal": True}
    assert not Lookahead(depth=1, refill=1, gate=False).uses_mask
    assert Lookahead(depth=1, refill=None, gate=False).uses_mask
    assert Lookahead(depth=2, refill=1, gate=False).uses_mask


@pytest.mark.parametrize(
    ("spec", "where", "found", "hint"),
    [
        ({"mechanism": "lokahead"}, "skipping.mechanism", '"lokahead"', "'lookahead'"),
        ({"mechanism": 3}, "skipping.mechanism", "3", ""),
        ({"depth": 3}, "skipping", "no key 'mechanism'", ""),
        ([("mechanism", "dense")], "skipping", "[[", ""),
        ({"mechanism": "lookahead", "depth": 4}, "skipping.refill", "no key 'refill'", ""),
        ({"mechanism": "lookahead", "depth": 4, "refil": 4}, "skipping.refil", "unknown key 'refil'", "'refill'"),
        ({"mechanism": "lookahead", "depth": 0, "refill": None}, "skipping.depth", "0", ""),
        ({"mechanism": "lookahead", "depth": 4, "refill": -1}, "skipping.refill", "-1", ""),
        ({"mechanism": "lookahead", "depth": 4, "refill": 1, "banks": 0}, "skipping.banks", "0", ""),
        ({"mechanism": "lookahead", "depth": True, "refill": 1}, "skipping.depth", "true", ""),
        ({"mechanism": "lookahead", "depth": 2.0, "refill": 1}, "skipping.depth", "2.0", ""),
        ({"mechanism": "lookahead", "depth": 4, "refill": 8}, "skipping", "refill 8 with depth 4", "window"),
        ({"mechanism": "lookahead", "depth": 4, "refill": None, "block": 2}, "skipping", "block 2", "vector"),
        ({"mechanism": "lookahead", "depth": 1, "refill": 1, "block": 2}, "skipping", "block 2", "vector"),
        ({"mechanism": "vector_skip", "block": 0}, "skipping.block", "0", ""),
    ],
)
def test_a_wrong_mapping_says_where_what_and_what_would_be_right(spec: Any, where: str, found: str, hint: str) -> None:
    with pytest.raises(InputError) as error:
        run_pass(MASK, spec)
    problem = next(p for p in error.value.problems if p.found.startswith(found))
    assert problem.where == where
    assert hint in problem.hint
    assert problem.expected


def test_every_problem_of_a_mapping_is_told_at_once() -> None:
    with pytest.raises(InputError) as error:
        run_pass(MASK, {"mechanism": "lookahead", "depth": 0, "refill": 0, "bank": 1})
    assert len(error.value.problems) == 3


@pytest.mark.parametrize(
    "mask",
    [MASK.astype(np.int64), MASK.astype(np.float32), MASK[0], MASK[None], MASK[:0], np.array(True), "mask"],
)
def test_what_is_no_mask_is_refused(mask: Any) -> None:
    with pytest.raises(InputError, match=r"mask: found .* expected bool \[lanes"):
        run_pass(mask, Dense())


def test_all_mechanisms_are_registered_by_the_import() -> None:
    assert {"lookahead", "dense", "gated", "vector_skip", "ideal"} <= set(Mechanism.registered)


def test_importing_the_package_loads_nothing_heavy() -> None:
    program = "import sys, simulator.skipping, simulator.skipping.masks as m; m.full(3, 4)\n"
    program += "print([n for n in ('numba', 'llvmlite', 'pandas', 'matplotlib') if n in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_kernels_compile_where_no_cache_folder_is_writeable() -> None:
    # numba refuses to decorate at all when no folder for its cache can be written; that must not stop us.
    program = (
        "import numba.core.caching as caching\n"
        "caching.CacheImpl._locator_classes = []\n"
        "import numpy as np\n"
        "from simulator.skipping import run_pass\n"
        "print(run_pass(np.ones((2, 3), bool), {'mechanism': 'gated'}).cycles)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "3"
