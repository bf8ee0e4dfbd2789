"""The schema: what a machine may be, its conversions, its digest."""

import json
import math
import pickle
from copy import deepcopy
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from simulator.arch import Architecture, Mechanism, mechanism_of
from simulator.arch.parts import BITS
from simulator.memory import BandwidthDram
from traces.errors import InputError

LEAST: dict[str, Any] = {
    "name": "m",
    "clock_mhz": 1000,
    "precision": {"operand": "fp16", "accumulator": "fp32"},
    "array": {"rows": 32, "columns": 32},
    "skipping": {"mechanism": "lookahead", "depth": 8, "refill": 8, "banks": None},
    "memory": "ideal",
    "energy_table": "cmos_45nm",
}


def machine(**changes: Any) -> Architecture:
    return Architecture.parse({**deepcopy(LEAST), **changes})


def problems(data: Any) -> list[tuple[str, str]]:
    with pytest.raises(InputError) as caught:
        Architecture.parse(data)
    return [(problem.where, problem.found) for problem in caught.value.problems]


def shuffled(data: Any, draw: Any) -> Any:
    if isinstance(data, dict):
        keys = draw(st.permutations(list(data)))
        return {key: shuffled(data[key], draw) for key in keys}
    return data


def test_memory_mapping_has_a_default_for_every_key() -> None:
    assert machine(memory={}) == machine(memory=machine(memory={}).to_dict()["memory"])
    partial = machine(memory={"buffers": {"skip": {"double": False}, "output": {"port_values_per_cycle": 8}}})
    assert partial.system.buffers.skip.capacity_kib == machine(memory={}).system.buffers.skip.capacity_kib
    assert partial.system.buffers.skip.slot_bytes == partial.system.buffers.skip.capacity_bytes
    assert machine(memory={}).system.buffers.skip.slot_bytes * 2 == 512 * 1024


@pytest.mark.parametrize("key", list(LEAST))
def test_each_key_of_the_least_file_is_required(key: str) -> None:
    data = {name: value for name, value in LEAST.items() if name != key}
    assert problems(data) == [(key, f"no key {key!r}")]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("clock_mhz", 0),
        ("clock_mhz", -1),
        ("clock_mhz", 1.5),
        ("clock_mhz", "1000"),
        ("clock_mhz", True),
        ("clock_mhz", None),
        ("name", ""),
        ("name", 3),
        ("array.rows", 0),
        ("array.rows", 4097),
        ("array.columns", -4),
        ("array.pass_overhead_cycles", -1),
        ("precision.operand", "fp17"),
        ("precision.accumulator", "int8"),
        ("memory.dram.bandwidth_gb_per_s", 0),
        ("memory.dram.bandwidth_gb_per_s", 1e300),
        ("memory.dram.bandwidth_gb_per_s", 0.0001),
        ("memory.dram.latency_ns", -1),
        ("memory.dram.queue", 0),
        ("memory.dram.standard", ""),
        ("memory.buffers.skip.capacity_kib", 0),
        ("memory.buffers.skip.double", "yes"),
        ("memory.buffers.output.port_values_per_cycle", 0),
        ("memory.vector_unit.lanes", 0),
        ("memory.formats.skip", "csr"),
        ("memory.mapping.tile_k", 0),
        ("memory.mapping.tile_k", "all"),
        ("memory.mapping.tile_k", True),
        ("memory.mapping.order", "k"),
        ("skipping.depth", 0),
        ("skipping.mechanism", "look"),
        ("energy_table", ""),
        ("memory", "perfect"),
        ("memory", 3),
        ("skipping", "dense"),
        ("array", []),
    ],
)
def test_wrong_value_is_one_problem_at_its_path(path: str, value: object) -> None:
    data: Any = machine(memory={}).to_dict()
    *owners, key = path.split(".")
    owner = data
    for step in owners:
        owner = owner[step]
    owner[key] = value
    ((where, found),) = problems(data)
    assert where == path
    assert found == json.dumps(value)


@pytest.mark.parametrize(
    "path",
    [
        "extra",
        "array.rowz",
        "precision.x",
        "memory.x",
        "memory.dram.x",
        "memory.buffers.skip.x",
        "skipping.x",
    ],
)
def test_unknown_key_is_one_problem_at_its_path(path: str) -> None:
    data: Any = machine(memory={}).to_dict()
    *owners, key = path.split(".")
    owner = data
    for step in owners:
        owner = owner[step]
    owner[key] = 1
    assert problems(data) == [(path, f"unknown key {key!r}")]


def test_all_problems_are_told_at_once_with_hints() -> None:
    data = deepcopy(LEAST)
    data["array"] = {"rowz": 32, "columns": 0}
    data["skipping"] = {"mechanism": "lookahed"}
    data["clockmhz"] = data.pop("clock_mhz")
    with pytest.raises(InputError) as caught:
        Architecture.parse(data)
    told = {problem.where: problem.hint for problem in caught.value.problems}
    assert told == {
        "clock_mhz": "is it meant by 'clockmhz'?",
        "clockmhz": "did you mean 'clock_mhz'?",
        "array.rows": "is it meant by 'rowz'?",
        "array.rowz": "did you mean 'rows'?",
        "array.columns": "",
        "skipping.mechanism": "did you mean 'lookahead'?",
    }


def test_integer_and_float_formats_do_not_mix() -> None:
    assert problems({**LEAST, "precision": {"operand": "int8", "accumulator": "fp32"}})[0][0] == "precision"
    assert problems({**LEAST, "precision": {"operand": "fp16", "accumulator": "int32"}})[0][0] == "precision"
    assert machine(precision={"operand": "int8", "accumulator": "int32"}).precision.accumulator_bits == 32


def test_bits_are_those_of_the_names() -> None:
    assert all(int("".join(filter(str.isdigit, name))) == bits for name, bits in BITS.items())


def test_pinned_tiles_are_whole_passes() -> None:
    found = problems({**LEAST, "memory": {"mapping": {"tile_m": 33, "tile_n": 16}}})
    assert found == [("memory.mapping.tile_m", "33"), ("memory.mapping.tile_n", "16")]
    assert machine(memory={"mapping": {"tile_m": 64, "tile_n": 96}}).system.mapping.tile_m == 64


SIZES = st.sampled_from([1, 3, 32, 100, 1024])


@given(SIZES, SIZES, st.integers(1, 64), st.booleans(), st.sampled_from(["fp16", "fp32"]), st.integers(1, 600))
def test_machine_exists_exactly_if_its_least_tiles_fit(
    rows: int, columns: int, kib: int, double: bool, operand: str, tile_k: int
) -> None:
    buffer = {"capacity_kib": kib, "double": double}
    data = {
        **deepcopy(LEAST),
        "array": {"rows": rows, "columns": columns},
        "precision": {"operand": operand, "accumulator": "fp32"},
        "memory": {
            "buffers": {n: dict(buffer) for n in ("skip", "shared", "output")},
            "mapping": {"tile_k": tile_k},
        },
    }
    value_bytes = {"fp16": 2, "fp32": 4}[operand]
    room = kib * 1024 // (2 if double else 1)
    needed = {
        "skip": rows * tile_k * value_bytes,
        "shared": tile_k * columns * value_bytes,
        "output": rows * columns * 4,
    }
    too_small = [f"memory.buffers.{name}.capacity_kib" for name, size in needed.items() if size > room]
    if too_small:
        assert [where for where, _ in problems(data)] == too_small
    else:
        Architecture.parse(data)


def test_capacity_that_a_message_asks_for_is_enough() -> None:
    data = {**deepcopy(LEAST), "array": {"rows": 1000, "columns": 999}, "memory": {}}
    with pytest.raises(InputError) as caught:
        Architecture.parse(data)
    (problem,) = caught.value.problems
    kib = int(problem.expected.split()[2])
    data["memory"] = {"buffers": {"output": {"capacity_kib": kib}}}
    Architecture.parse(data)
    data["memory"] = {"buffers": {"output": {"capacity_kib": kib - 1}}}
    assert len(problems(data)) == 1


@given(st.integers(1, 100_000), st.integers(1, 10**9), st.integers(0, 10**9), st.integers(0, 10**12))
def test_conversions_to_cycles_are_exact_and_round_up(mhz: int, mb_per_s: int, ps: int, size: int) -> None:
    memory = {"dram": {"bandwidth_gb_per_s": mb_per_s / 1000, "latency_ns": ps / 1000}}
    arch = machine(clock_mhz=mhz, memory=memory)
    numerator, denominator = arch.dram_bytes_per_cycle
    rate = Fraction(mb_per_s * 10**6, mhz * 10**6)
    assert Fraction(numerator, denominator) == rate
    assert math.gcd(numerator, denominator) == 1
    assert arch.dram_latency_cycles == math.ceil(Fraction(ps * mhz, 10**6))
    assert BandwidthDram(numerator, denominator, 0, 1).transfer_cycles(size) == math.ceil(size / rate)


def test_conversions_agree_with_a_case_counted_by_hand() -> None:
    arch = machine(clock_mhz=800, memory={"dram": {"bandwidth_gb_per_s": 25.6, "latency_ns": 62.6}})
    assert arch.dram_bytes_per_cycle == (32, 1)
    assert arch.dram_latency_cycles == 51  # 62.6 ns * 0.8 GHz = 50.08
    assert arch.cycles_to_us(1600) == 2.0


def test_ideal_machine_has_no_memory_system() -> None:
    assert machine().ideal_memory
    with pytest.raises(InputError, match="memory: found ideal"):
        _ = machine().dram_bytes_per_cycle


@given(st.data())
def test_digest_knows_neither_key_order_nor_spelt_out_defaults(data: st.DataObject) -> None:
    arch = machine(memory={"dram": {"bandwidth_gb_per_s": 32}})
    assert Architecture.parse(shuffled(arch.to_dict(), data.draw)).digest == arch.digest
    assert machine(memory={"dram": {"bandwidth_gb_per_s": 32.0}}).digest == arch.digest


def test_digest_is_that_of_the_canonical_json() -> None:
    # Computed once with sha256sum on the text; if it changes, resumable sweeps of old versions are void.
    import hashlib

    text = (
        '{"array":{"columns":32,"pass_overhead_cycles":0,"rows":32,"shapes":[]},"clock_mhz":1000,"energy_table":"cmos_45nm",'
        '"memory":"ideal","name":"m","precision":{"accumulator":"fp32","operand":"fp16"},'
        '"skipping":{"mechanism":"dense"}}'
    )
    assert machine(skipping={"mechanism": "dense"}).digest == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("path", "value"),
    [("array.rows", 64), ("name", "n"), ("memory", {}), ("skipping.depth", 16), ("energy_table", "x")],
)
def test_digest_changes_with_any_key_but_the_description(path: str, value: object) -> None:
    assert machine().replaced(path, value).digest != machine().digest
    assert machine().replaced("description", "text").digest == machine().digest


def test_replaced_is_a_checked_copy() -> None:
    arch = machine()
    assert arch.replaced("array.rows", 64).array.rows == 64
    assert arch.array.rows == 32
    with pytest.raises(InputError, match=r"array\.rowz: found unknown key 'rowz'.*did you mean 'rows'"):
        arch.replaced("array.rowz", 64)
    with pytest.raises(InputError, match=r"memory\.dram\.queue: found memory: ideal"):
        arch.replaced("memory.dram.queue", 4)
    with pytest.raises(InputError, match="plain data"):
        arch.replaced("array.rows", math.nan)


def test_with_mechanism_changes_nothing_else() -> None:
    arch = machine(memory={})
    dense = arch.with_mechanism({"mechanism": "dense"})
    assert {**dense.to_dict(), "skipping": 0} == {**arch.to_dict(), "skipping": 0}
    assert dense.skipping == mechanism_of({"mechanism": "dense"})
    assert arch.with_mechanism(dense.skipping) == dense


@pytest.mark.parametrize(
    "value", [3, None, "dense", {}, {"mechanism": []}, {"mechanism": "nix"}, {"mechanism": "dense", "x": 1}]
)
def test_wrong_mechanism_is_an_input_error(value: Any) -> None:
    with pytest.raises(InputError, match=r"^skipping"):
        machine().with_mechanism(value)


def test_machine_is_frozen_hashable_and_survives_a_process_border() -> None:
    arch = machine(memory={})
    with pytest.raises(ValidationError):
        arch.clock_mhz = 3  # type: ignore[misc]
    copy = pickle.loads(pickle.dumps(arch))
    assert copy == arch
    assert hash(copy) == hash(arch)
    assert copy.digest == arch.digest
    assert isinstance(copy.skipping, Mechanism)


def fed(**buffer: object) -> Architecture:
    skipping = {"mechanism": "lookahead", "depth": 16, "refill": None, "banks": None, "fed_by_buffer": True}
    return machine(skipping=skipping, memory={"buffers": {"shared": buffer}})


@pytest.mark.parametrize(
    ("buffer", "words"),
    [
        ({"width_bits": 512}, 1),
        ({"width_bits": 64, "banks": 32}, 4),
        ({"width_bits": 64, "banks": 32, "ports": 2}, 8),
        ({"width_bits": 64}, 1),  # an eighth of a word: at least 1, and the array waits for words beside that
        ({"width_bits": 1 << 15}, 16),  # the window holds no more
    ],
)
def test_refill_and_banks_come_from_the_numbers_of_the_shared_buffer(buffer: dict[str, int], words: int) -> None:
    """A word is 32 columns of 16 bits."""
    arch = fed(**buffer)
    assert arch.skipping.refill == words  # type: ignore[attr-defined]
    assert min(arch.skipping.banks, 16) == words  # type: ignore[attr-defined]
    # What the file states stays stated: another buffer gives other numbers.
    assert arch.to_dict()["skipping"]["refill"] is None
    wider = arch.replaced("memory.buffers.shared.width_bits", 1024)
    banks = buffer.get("banks", 1) * buffer.get("ports", 1)
    assert wider.skipping.refill == min(16, 2 * banks)  # type: ignore[attr-defined]
    assert Architecture.parse(arch.to_dict()).skipping == arch.skipping


def test_a_buffer_without_a_width_feeds_whatever_is_asked_for() -> None:
    assert fed().skipping.refill is None  # type: ignore[attr-defined]
    assert machine(skipping={"mechanism": "lookahead", "depth": 4, "refill": 2}).skipping.refill == 2  # type: ignore[attr-defined]
