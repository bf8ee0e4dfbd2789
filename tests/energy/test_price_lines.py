"""Every line of the energy of a run, against a list written by hand: what is counted, in what, at which row."""

from __future__ import annotations

import pytest
import yaml

from simulator.arch import config_root, load_arch
from simulator.energy import load_energy_table, price
from simulator.mapping import Count
from simulator.run import simulate
from traces import synthetic_trace


@pytest.fixture(scope="module")
def activity(tmp_path_factory):
    path = tmp_path_factory.mktemp("t") / "t.npz"
    synthetic_trace(path, layers=1, hidden_size=16, input_size=8, sequence_length=3, batch_size=4, sparsity=0.8)
    return simulate("zero_skip", path, baseline=False).activity


@pytest.mark.parametrize(("depth", "levels"), [("1", 0), ("2", 1), ("16", 4), ("17", 5)])
def test_lines_are_those_of_the_list(activity, depth, levels):
    changes = [f"skipping.depth={depth}", "skipping.refill=1", "precision.accumulator=fp32", "clock_mhz=500", "chips=2"]
    changes += ["memory.buffers.shared.banks=4", "chips.link.pj_per_bit=2", "arrays=3"]
    arch, table = load_arch("zero_skip", changes), load_energy_table("cmos_45nm")
    parts, buffers = table.parts, arch.system.buffers
    gated, metadata = (row.pj / row.of_pj for row in (table.ratios.gated_slot, table.ratios.metadata))
    read, write = (row.pj / row.bits for row in (parts.register_read, parts.register_write))
    mac = table.multiply.fp16.pj + table.add.fp32.pj
    select = table.select_price(int(depth)).pj
    dram = table.dram["hbm2"]
    expected = [
        ("mac", "multiply and add", Count.MACS_EXECUTED, "MACs", mac),
        ("gated", "switched-off slot", Count.MACS_GATED, "slots", mac * gated),
        ("skip_logic", "select", Count.LANE_SELECTIONS, "selections", select),
        ("staging", "write", Count.STAGING_BITS_WRITTEN, "bits", write),
        ("staging", "read", Count.STAGING_BITS_READ, "bits", read),
        ("staging", "multiplex", Count.STAGING_BITS_READ, "bits", levels * parts.mux_level.pj / parts.mux_level.bits),
        ("accumulators", "read", Count.ACCUMULATOR_UPDATES, "updates", 32 * read),
        ("accumulators", "write", Count.ACCUMULATOR_UPDATES, "updates", 32 * write),
    ]
    counted = {
        "skip": (Count.SKIP_BUFFER_BITS_READ, Count.SKIP_BUFFER_BITS_WRITTEN),
        "shared": (Count.SHARED_BUFFER_BITS_READ, Count.SHARED_BUFFER_BITS_WRITTEN),
        "output": (Count.OUTPUT_BUFFER_BITS_READ, Count.OUTPUT_BUFFER_BITS_WRITTEN),
    }
    for name, counts in counted.items():
        size, banks = getattr(buffers, name).capacity_bytes, 4 if name == "shared" else 1
        for action, count in zip(("read", "write"), counts, strict=True):
            bit = table.sram_price(size, action == "write", banks).pj_per_bit
            expected.append((f"{name}_buffer", action, count, "bits", bit))
    for action, count in (("read", Count.MASK_BITS_SCANNED), ("write", Count.METADATA_BITS_WRITTEN)):
        bit = table.sram_pj_per_bit(buffers.skip.capacity_bytes, action == "write")
        expected.append(("metadata", action, count, "bits", bit * metadata))
    expected += [
        ("vector_unit", "gate functions", Count.GATE_FORWARD_VALUES, "values", parts.gate_forward.pj),
        ("vector_unit", "gate derivatives", Count.GATE_BACKWARD_VALUES, "values", parts.gate_backward.pj),
        ("vector_unit", "threshold", Count.THRESHOLD_VALUES, "values", parts.compare.pj),
        ("vector_unit", "mask packing", Count.MASK_BITS_PACKED, "bits", write),
        ("dram_read", "read", Count.DRAM_READ_BYTES, "bytes", 8 * dram.pj / dram.bits),
        ("dram_write", "write", Count.DRAM_WRITE_BYTES, "bytes", 8 * dram.pj / dram.bits),
        ("link", "all-reduce", Count.LINK_BYTES, "bytes", 8 * 2),
    ]
    nanoseconds = 2  # of a cycle at 500 MHz; a machine of two chips of three arrays of 32 x 32
    expected.append(("leakage", "MACs", None, "cycles", 2 * 3 * 32 * 32 * table.mac_leakage_price().pj * nanoseconds))
    for name in counted:
        size, banks = getattr(buffers, name).capacity_bytes, 4 if name == "shared" else 1
        each = 2 * table.sram_leakage_price(size, banks).pj * nanoseconds
        expected.append(("leakage", f"{name} buffer", None, "cycles", each))

    lines = price(arch, activity, table).lines
    assert [(x.component, x.action, x.counter, x.unit) for x in lines] == [x[:4] for x in expected]
    assert [x.pj_each for x in lines] == pytest.approx([x[4] for x in expected], rel=1e-9)
    totals = activity.counts.sum(axis=0)
    assert [x.count for x in lines] == [activity.total_cycles if x[2] is None else totals[x[2]] for x in expected]


def test_more_ports_than_one_are_said_and_cost_nothing_more(activity):
    table = load_energy_table("cmos_45nm")
    one, two = (
        price(load_arch("zero_skip", [f"memory.buffers.skip.ports={ports}"]), activity, table) for ports in (1, 2)
    )
    assert [line.pj for line in one.lines] == [line.pj for line in two.lines]
    told = {line.component for line in two.lines if "2 ports priced as one" in line.note}
    assert told == {"skip_buffer", "metadata"}
    assert not any("ports" in line.note for line in one.lines)


def test_making_zeros_is_threshold_packing_and_metadata_writes(activity):
    report = price(load_arch("zero_skip"), activity, load_energy_table("cmos_45nm"))
    pj = {(line.component, line.action): line.pj for line in report.lines}
    making = [("metadata", "write"), ("vector_unit", "threshold"), ("vector_unit", "mask packing")]
    assert all(pj[line] > 0 for line in making)
    assert report.making_zeros_pj == pytest.approx(sum(pj[line] for line in making), rel=1e-12)


def test_reads_and_writes_of_metadata_cost_what_those_of_the_skip_buffer_do(activity, tmp_path):
    data = yaml.safe_load((config_root() / "energy" / "cmos_45nm.yaml").read_text(encoding="utf-8"))
    del data["sram"]  # whose reads and writes cost the same
    data["sram_csv"] = {"file": "sram_cacti.csv", "technology_nm": 45, "source": "CACTI 7 again", "verified": True}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    report = price(load_arch("zero_skip"), activity, load_energy_table(tmp_path / "own.yaml"))
    pj = {(line.component, line.action): line.pj_each for line in report.lines}
    assert pj["skip_buffer", "read"] != pj["skip_buffer", "write"]
    for action in ("read", "write"):
        assert pj["metadata", action] == pytest.approx(pj["skip_buffer", action] * 0.88 / 0.48)
