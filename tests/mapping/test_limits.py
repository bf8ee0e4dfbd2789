"""No step that is planned can overflow 64 bits: the bound of its numbers holds, and is looked at before planning."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from plain.cases import MECHANISMS, SHAPED_ARRAYS, SYSTEMS, TIMING_SYSTEMS, machine, networks, write_trace

from simulator.engine import compiled
from simulator.mapping import COUNTS, Count, Plan, plan
from simulator.mapping.limits import MOST, Shape, most_of, require_int64
from simulator.report.tables import to_csv
from simulator.run import simulate
from simulator.workload import Product, lower
from traces import InputError, Trace, TraceWriter

pytestmark = pytest.mark.filterwarnings("error")  # numpy warns of a scalar that overflows

TWO_SIDED = st.sampled_from(
    [
        ({"rows": 2, "columns": 2}, {"mechanism": "outer_product", "rows": 2, "columns": 2}),
        ({"rows": 1, "columns": 4}, {"mechanism": "broadcast_fifo", "pes": 4, "depth": 2, "index_bits": 2}),
        (
            {"rows": 2, "columns": 4},
            {
                "mechanism": "packed",
                "multipliers": 8,
                "distribution_latency_cycles": 9,
                "reduction_latency_cycles": 7,
            },
        ),
    ]
)


def bound_of(arch: Any, products: tuple[Product, ...]) -> int:
    return sum(most_of(arch, Shape.of(p)) for p in products)


def numbers_of(p: Plan) -> dict[str, int]:
    """The largest sums of a plan, of its counts and of its walk."""
    times = compiled.run(p)
    sums = np.array([planned.counts for planned in p.products], dtype=np.int64).reshape(-1, len(COUNTS)).sum(axis=0)
    found = dict(zip(COUNTS, sums.tolist(), strict=True))
    for column in ("array_cycles", "feed_cycles", "drain_cycles", "tail_cycles", "vector_cycles", "store_bytes"):
        found[column] = int(getattr(p, f"job_{column}").sum())
    found["load_bits"] = 8 * int(p.load_dram_bytes.sum())
    found["last_address"] = int(max(p.load_address_bytes.max(initial=0), p.job_store_address_bytes.max(initial=0)))
    found["total_cycles"] = times.total_cycles
    slots = sums[[Count.MACS_EXECUTED, Count.MACS_GATED]].sum() + sums[Count.SLOTS_IMBALANCE : Count.PASSES].sum()
    return {**found, "slots": int(slots)}


@settings(max_examples=10, phases=(Phase.explicit, Phase.generate))
@given(networks(), SHAPED_ARRAYS, MECHANISMS, st.one_of(st.just("ideal"), SYSTEMS, TIMING_SYSTEMS))
def test_bound_holds_for_all_that_comes_of_random_machines(network, array, skipping, memory):
    with tempfile.TemporaryDirectory() as folder:
        trace = write_trace(Path(folder) / "t.npz", network)
        workload = lower(trace, trace.step(7))
    arch = machine(array=array, skipping=skipping, memory=memory)
    most = bound_of(arch, workload.products)
    for name, number in numbers_of(plan(arch, workload)).items():
        assert number <= most, name


@settings(max_examples=6, phases=(Phase.explicit, Phase.generate))
@given(networks(), TWO_SIDED, st.one_of(st.just("ideal"), SYSTEMS))
def test_bound_holds_for_mechanisms_of_two_operands(network, machinery, memory):
    if memory != "ideal":
        memory = {**memory, "mapping": {**memory["mapping"], "tile_k": "auto"}}
    with tempfile.TemporaryDirectory() as folder:
        trace = write_trace(Path(folder) / "t.npz", network)
        workload = lower(trace, trace.step(7))
    array, skipping = machinery
    arch = machine(array=array, skipping=skipping, memory=memory)
    try:
        p = plan(arch, workload)
    except InputError as error:
        assert "no tile of" in str(error)  # noqa: PT017 - small buffers, large tiles
        return
    most = bound_of(arch, workload.products)
    for name, number in numbers_of(p).items():
        assert number <= most, name


def dense_trace(path: Path, inputs: int, outputs: int, sequences: int = 1) -> Path:
    """A trace with one dense layer of whatever size, which no mask must hold."""
    header = {
        "layers": [{"name": "l", "kind": "linear", "input_size": 1, "hidden_size": 1}],
        "dense_layers": [{"name": "d", "input_size": inputs, "output_size": outputs, "per": "token"}],
        "batch_size": sequences,
        "sequence_length": 1,
    }
    with TraceWriter(path, header) as writer:
        writer.add_step(0, {"l": {"gate_gradient": np.ones((1, sequences, 1), dtype=bool)}})
    return path


@pytest.mark.parametrize("changes", [{}, {"memory": {}}, {"skipping": {"mechanism": "gated"}}])
def test_step_that_would_fill_the_memory_is_refused_before_it_does(changes: dict[str, Any], tmp_path: Path) -> None:
    path = dense_trace(tmp_path / "t.npz", 2**31 - 1, 2**31 - 1)
    with pytest.raises(InputError, match=r"d dW of 2,147,483,647 x 1 x 2,147,483,647, whose passes take 38,.* bytes"):
        simulate(machine(**changes), path)


@pytest.mark.parametrize("changes", [{}, {"memory": {}}, {"skipping": {"mechanism": "gated"}}, {"arrays": 7}])
def test_step_that_could_overflow_is_refused_and_names_the_product(changes: dict[str, Any], tmp_path: Path) -> None:
    path = dense_trace(tmp_path / "t.npz", 2**26, 2**24, sequences=2**10)
    with pytest.raises(InputError, match=r"d \w+ of [0-9,]+ x [0-9,]+ x [0-9,]+, with which .* might reach 2\^\d+"):
        simulate(machine(**changes), path)


def test_largest_step_that_is_allowed_is_counted_exactly(tmp_path: Path) -> None:
    """Found by halving: one more sequence is refused, and all sums of the largest step are Python's integers'."""
    inputs, outputs, chips = 2**20, 2**19 + 1, 4096
    arch = machine(array={"rows": 64, "columns": 64, "pass_overhead_cycles": 3}, chips=chips)

    def products(sequences: int) -> tuple[Product, ...]:
        with Trace(dense_trace(tmp_path / "t.npz", inputs, outputs, sequences)) as trace:
            workload = lower(trace, trace.step(0))
        with suppress(InputError):
            require_int64(arch, workload)
            allowed.add(sequences)
        return workload.products

    allowed = set[int]()
    least, most = 1, 1 << 12
    while most - least > 1:
        sequences = (least + most) // 2
        products(sequences)
        least, most = (sequences, most) if sequences in allowed else (least, sequences)
    assert bound_of(arch, products(least)) < MOST <= bound_of(arch, products(most))
    report = simulate(arch, dense_trace(tmp_path / "t.npz", inputs, outputs, least))
    told, totals = report.to_dict(), report.activity.totals()
    # y, dx and dW of the layer; y and dW of the layer with one weight, whose dx is needed, too.
    dense = chips * (3 * least * inputs * outputs + 3 * least)
    assert dense > 2**53
    assert told["macs"]["dense"] == told["macs"]["executed"] == dense == totals["macs_executed"]

    def cycles(m: int, k: int, n: int) -> int:
        return -(-m // 64) * -(-n // 64) * (k + 3)

    layer = [(least, inputs, outputs), (least, outputs, inputs), (outputs, least, inputs)]
    own = sum(cycles(*shape) for shape in [*layer, (least, 1, 1), (least, 1, 1), (1, least, 1)])
    assert int(report.activity.array_cycles.sum()) == own
    assert told["cycles"]["total"] == own + report.stalls["all_reduce"]
    # What is told of them is exact in every form, and no float stood between.
    again = json.loads(report.to_json())
    assert again["macs"]["dense"] == dense
    frame = report.frame()
    assert sum(int(one) for one in frame["macs_dense"]) == dense
    assert str(frame["macs_dense"].dtype) == "int64"
    text = to_csv(frame)
    assert sum(int(row["macs_dense"]) for row in csv.DictReader(io.StringIO(text))) == dense
