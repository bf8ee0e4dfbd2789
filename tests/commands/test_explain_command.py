"""The command `explain`: what it says is what `map_step` finds, and one clear message for each mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from plain.cases import machine

from simulator.arch import Architecture, load_arch
from simulator.commands.explain import explain as command
from simulator.engine.bounds import bounds
from simulator.explore.mappings import MOVES, MappedStep, candidate_data, map_step
from simulator.mapping import plan, why_not
from simulator.run import simulate
from simulator.workload import lower
from traces import DenseLayer, InputError, Trace, synthetic_trace

MACHINE = """\
name: {name}
clock_mhz: 500
precision: {{operand: fp16, accumulator: fp32}}
array: {{rows: 4, columns: 4}}
skipping: {{mechanism: lookahead, depth: 8, refill: 4, banks: 2}}
memory: {{formats: {{skip: bitmap}}, dram: {{bandwidth_gb_per_s: 2}}, buffers: {{shared: {{capacity_kib: 1}}}}}}
energy_table: cmos_45nm
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with machine files and traces."""
    place = tmp_path_factory.mktemp("explain")
    (place / "little.yaml").write_text(MACHINE.format(name="little"))
    (place / "long.yaml").write_text(MACHINE.format(name="a machine with a name that fills most of a line " * 2))
    (place / "text.npz").write_text("no trace at all")
    shape: dict[str, Any] = {"input_size": 6, "hidden_size": 8, "sequence_length": 3, "batch_size": 5}
    dense = [DenseLayer("classifier", 8, 20)]
    synthetic_trace(place / "run.npz", layers=2, steps=[3, 7], sparsity=0.6, dense_layers=dense, **shape)
    synthetic_trace(place / "2-4.npz", sparsity=0.5, correlation="2:4", **shape)
    synthetic_trace(place / "empty.npz", steps=0, **shape)
    return place


@pytest.fixture
def words(folder: Path) -> list[str]:
    return ["--arch", str(folder / "little.yaml"), "--trace", str(folder / "run.npz")]


def call(*words: str) -> Result:
    """Run the command in this process; an `InputError` is raised."""
    return CliRunner().invoke(command, words, catch_exceptions=False)


def told(*words: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(call(*words, "--json").stdout)
    return data


def mapped(arch: Architecture, trace_file: Path, number: int) -> MappedStep:
    with Trace(trace_file) as trace:
        return map_step(arch, lower(trace, trace.step(number)))


# --- what it says --------------------------------------------------------------------------------------------


def test_json_is_what_map_step_finds(words: list[str], folder: Path) -> None:
    data = told(*words, "--step", "3")
    arch = load_arch(folder / "little.yaml")
    step = mapped(arch, folder / "run.npz", 3)
    with Trace(folder / "run.npz") as trace:
        sha256 = trace.sha256
    bound, cycles = step.limits.largest
    assert data == {
        "schema_version": 1,
        "architecture": {"name": "little", "digest": arch.digest},
        "trace": {"sha256": sha256},
        "step": 3,
        "total_cycles": step.total_cycles,
        "bound": bound,
        "bound_cycles": cycles,
        "over_bound": step.total_cycles / cycles - 1,
        "without_macs": step.without_macs,
        "products": [m.to_dict() for m in step.products],
    }
    for entry, product in zip(data["products"], step.products, strict=True):
        first, second = product.choice.candidates[:2]
        assert entry["chosen"] == candidate_data(first)
        assert (entry["second"], entry["second_lost_by"]) == (candidate_data(second), why_not(first, second))
        assert entry["candidates"] == len(product.choice.candidates)
        assert entry["would_move_it"] == MOVES[entry["limiter"]]
        assert entry["bounds"][entry["bound"]] == max(entry["bounds"].values())
    assert call(*words, "--step", "3", "--json").stdout == call(*words, "--step", "3", "--json").stdout


def test_the_last_recorded_step_is_the_default(words: list[str]) -> None:
    assert told(*words)["step"] == 7
    assert told(*words) == told(*words, "--step", "7")


def test_cycles_are_those_of_a_replay(words: list[str]) -> None:
    data, report = told(*words), simulate(words[1], words[3], steps=(7, None), baseline=False)
    assert data["total_cycles"] == report.total_cycles
    array = dict.fromkeys(report.cycles_by("product"), 0)
    stalls = dict(data["without_macs"])
    for entry in data["products"]:
        cycles = entry["cycles"]
        array[entry["product"]] += cycles["array"]
        assert cycles["spent"] == cycles["array"] + sum(cycles["stalls"].values())
        for reason, stalled in cycles["stalls"].items():
            stalls[reason] = stalls.get(reason, 0) + stalled
    assert array == report.cycles_by("product")
    assert stalls == {reason: cycles for reason, cycles in report.stalls.items() if cycles}
    assert sum(array.values()) + sum(stalls.values()) == data["total_cycles"]


def test_bounds_hold_for_all_time_steps_together(folder: Path) -> None:
    arch = load_arch(folder / "little.yaml")
    step = mapped(arch, folder / "run.npz", 7)
    assert step.total_cycles >= step.limits.largest[1] > 0
    assert step.over_bound >= 0
    with Trace(folder / "run.npz") as trace:
        whole = plan(arch, lower(trace, trace.step(7)))
    for product in step.products:
        key = (product.choice.product.layer, product.choice.product.name)
        own = [i for i, p in enumerate(whole.products) if (p.product.layer, p.product.name) == key]
        assert len(own) == product.choice.times
        each = [bounds(whole, i) for i in own]
        assert step.limits.array >= product.limits.array == sum(b.array for b in each)
        assert product.limits.vector_unit == sum(b.vector_unit for b in each)
        assert product.limits.dram == sum(b.dram for b in each)  # of a rate and a latency
        # A chain of its own jobs: no shorter than a time step's, and no longer than if nothing overlapped.
        assert max(b.chain for b in each) <= product.limits.chain <= sum(b.chain for b in each)
        assert product.limits.chain <= step.total_cycles
    chain = next(p for p in step.products if p.choice.product.name == "dh")
    assert chain.limits.chain >= chain.array_cycles  # each time step waits for the one before


def test_layer_and_product_choose(words: list[str]) -> None:
    everything = told(*words)["products"]
    for more in (["--layer", "lstm1"], ["--product", "dW"], ["--layer", "lstm1", "--product", "dW"]):
        want = dict(zip([word.removeprefix("--") for word in more[::2]], more[1::2], strict=True))
        found = told(*words, *more)["products"]
        assert found == [p for p in everything if all(p[key] == value for key, value in want.items())]
        assert found
        text = call(*words, *more).stdout
        heads = [line.split(":")[0] for line in text.splitlines()[1:] if line and not line.startswith(" ")]
        assert [head for head in heads if head in {f"{p['layer']} {p['product']}" for p in everything}] == [
            f"{p['layer']} {p['product']}" for p in found
        ]


def test_set_changes_the_machine(words: list[str]) -> None:
    plain = told(*words)
    pinned = told(*words, "--set", "memory.mapping.order=nmk")
    assert plain["architecture"]["digest"] != pinned["architecture"]["digest"]
    assert {p["chosen"]["order"] for p in pinned["products"]} == {"nmk"}
    assert all(p["candidates"] <= q["candidates"] for p, q in zip(pinned["products"], plain["products"], strict=True))


def said(text: str) -> str:
    return " ".join(text.split())


def test_the_text_tells_the_same_in_80_columns(words: list[str], folder: Path) -> None:
    for arch in (words[1], str(folder / "long.yaml")):
        text = call("--arch", arch, *words[2:]).stdout
        assert max(map(len, text.splitlines())) <= 80
    text, data = said(call(*words).stdout), told(*words)
    assert text.startswith(f"little, step 7: {data['total_cycles']:,} cycles; no schedule of these jobs beats ")
    assert f"beats {data['bound_cycles']:,} (bound: {data['bound'].replace('_', ' ')}, " in text
    for entry in data["products"]:
        times = f", {entry['times']} times" if entry["times"] > 1 else ""
        chosen, tile = entry["chosen"], " x ".join(map(str, entry["chosen"]["tile"]))
        head = f"{entry['layer']} {entry['product']}: {entry['m']} x {entry['k']} x {entry['n']}{times} chosen "
        own = text[text.index(head) :].split(" would move it:")[0]
        assert f"{chosen['order']}, tiles of {tile} on {chosen['shape'][0]} x {chosen['shape'][1]}" in own
        parts = f"{chosen['first_load_cycles']:,} + "
        assert f"priced {chosen['price_cycles']:,} cycles = {parts}" in own
        assert f": {entry['second_lost_by']} of {entry['candidates']:,} that fit" in own
        assert f"took {entry['cycles']['array']:,} array cycles; stalls: " in own
        for reason, cycles in entry["cycles"]["stalls"].items():
            assert f"{reason} {cycles:,}" in own
        assert own.endswith(f"limit {entry['limiter']}; what")
        assert entry["would_move_it"] in text
    told_apart = "work without MACs: stalls: "
    assert (told_apart in text) == bool(data["without_macs"])
    assert told_apart not in said(call(*words, "--layer", "lstm0").stdout)


def test_a_price_is_the_sum_that_the_text_says(words: list[str]) -> None:
    for entry in told(*words)["products"]:
        for price in (entry["chosen"], entry["second"]):
            array = price["array_cycles"] + price["operand_bandwidth_cycles"]
            busiest = max(array, price["dram_cycles"], price["vector_cycles"])
            whole = price["first_load_cycles"] + busiest + price["last_cycles"] - price["hidden_cycles"]
            assert whole == price["price_cycles"]
        assert entry["second"]["price_cycles"] >= entry["chosen"]["price_cycles"]


def test_where_nothing_else_fits_there_is_no_second(words: list[str]) -> None:
    pins = [f"memory.mapping.{key}" for key in ("tile_m=4", "tile_n=4", "tile_k=8", "order=mnk")]
    more = [word for pin in pins for word in ("--set", pin)]
    chosen = ["--layer", "lstm1", "--product", "dx"]
    (entry,) = told(*words, *more, *chosen)["products"]
    assert (entry["second"], entry["second_lost_by"], entry["candidates"]) == (None, None, 1)
    assert "second none: nothing else fits" in said(call(*words, *more, *chosen).stdout)


def test_a_structured_machine_is_explained_where_the_pattern_holds(words: list[str], folder: Path) -> None:
    structured = ["--set", "skipping={mechanism: structured, n: 2, m: 4}"]
    data = told(words[0], words[1], "--trace", str(folder / "2-4.npz"), *structured)
    dense = told(words[0], words[1], "--trace", str(folder / "2-4.npz"), "--set", "skipping={mechanism: dense}")
    chosen = {p["product"]: p["chosen"]["array_cycles"] for p in data["products"]}
    assert chosen["dW"] < {p["product"]: p["chosen"]["array_cycles"] for p in dense["products"]}["dW"]
    with pytest.raises(InputError, match=r"product dh.*structured 2:4"):
        call(*words, *structured)


def test_machines_with_tiles_of_their_own_are_explained(words: list[str]) -> None:
    mechanism = "skipping={mechanism: broadcast_fifo, pes: 16, depth: 4}"
    data = told(*words, "--set", mechanism)
    assert data["total_cycles"] > 0
    assert (
        sum(p["cycles"]["spent"] for p in data["products"]) + sum(data["without_macs"].values())
        == (data["total_cycles"])
    )


# --- the user's mistakes ---------------------------------------------------------------------------------------

SKIPSTONE = [sys.executable, "-c", "from simulator.cli import main; main()"]


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    return subprocess.run([*SKIPSTONE, "explain", *words], capture_output=True, text=True, cwd=cwd, check=False)


MISTAKES = {
    "layer": (["--layer", "lstm9"], "--layer: found 'lstm9'; expected one of lstm0, lstm1, classifier (hint: "),
    "product": (["--product", "dw"], "--product: found 'dw'; expected one of gates_x, gates_h, y, dx, dW, dh, dU"),
    "case": (["--product", "dw"], "(hint: did you mean 'dW'?)"),
    "of_the_layer": (
        ["--layer", "classifier", "--product", "dh"],
        "--product: found 'dh'; expected one of y, dx, dW, the products of classifier",
    ),
    "step": (["--step", "4"], "--step: found 4; expected one of 3, 7"),
    "ideal": (["--set", "memory=ideal"], "machine little: memory: found ideal; expected a mapping: buffers, dram, ..."),
    "way_out": (["--set", "memory=ideal"], "try --set memory={}"),
    "key": (["--set", "array.row=8"], "array.row"),
    "no_machine": (["--arch", "zeroskip"], "did you mean 'zero_skip'?"),
    "no_trace": (["--trace", "nix.npz"], "nix.npz: found no such file"),
    "no_steps": (["--trace", "empty.npz"], "empty.npz: found no recorded step; expected a trace with at least one"),
    "no_npz": (["--trace", "text.npz"], "text.npz"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_told_in_one_message(case: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    more, message = MISTAKES[case]
    # Of an option that is given twice, the last one counts.
    with pytest.raises(InputError) as raised:
        call("--arch", "little.yaml", "--trace", "run.npz", *more)
    assert message in str(raised.value)
    assert len(raised.value.problems) == 1


def test_a_mistake_exits_with_2_and_without_a_traceback(folder: Path) -> None:
    done = run("--arch", "little.yaml", "--trace", "run.npz", "--layer", "lstm9", cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: --layer: found 'lstm9'; expected one of lstm0, lstm1, classifier")


@pytest.mark.parametrize(("words", "code"), [((), 2), (("--help",), 0), (("--step", "x"), 2)])
def test_exit_codes_of_the_command_line(words: tuple[str, ...], code: int, folder: Path) -> None:
    needed = () if not words or "--help" in words else ("--arch", "little.yaml", "--trace", "run.npz")
    done = run(*needed, *words, cwd=folder)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert "Usage: " in done.stdout + done.stderr


def test_a_run_of_the_program_prints_the_json_and_nothing_else(folder: Path) -> None:
    done = run("--arch", "little.yaml", "--trace", "run.npz", "--json", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == told("--arch", str(folder / "little.yaml"), "--trace", str(folder / "run.npz"))


def test_stalls_of_work_without_macs_are_told(tmp_path: Path) -> None:
    slow = {"dram": {"latency_ns": 5000}, "mapping": {"overlap": False}}
    path = synthetic_trace(tmp_path / "t.npz", hidden_size=8, input_size=4, sequence_length=2, batch_size=4)
    step = mapped(machine(memory=slow), path, 0)
    assert sum(step.without_macs.values()) >= 5000  # it loads saved gates from the DRAM first
    assert sum(p.spent_cycles for p in step.products) + sum(step.without_macs.values()) == step.total_cycles


def test_one_of_several_chips_is_explained_with_its_share(words: list[str]) -> None:
    whole, share = told(*words), told(*words, "--set", "chips=5", "--set", "chips.batch=divided")
    rows = [{p["product"]: p["m"] for p in one["products"] if p["product"] == "dh"} for one in (whole, share)]
    assert rows == [{"dh": 5}, {"dh": 1}]
    said = call(*words, "--set", "chips=3").output
    assert "(the first of 3 chips, before the all-reduce)" in " ".join(said.split())
