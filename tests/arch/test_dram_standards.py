"""DRAM standards: the shipped files, what a file may say, and the machine's keys of the level `timing`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.arch import config_root, dram_energy_row, dram_standard_names, load_arch, load_dram_standard
from simulator.cli import skipstone
from simulator.memory.timing import timing_dram
from traces.errors import InputError

# GB/s of a channel, module or stack as they are published: pins times rate.
PUBLISHED = {
    "ddr4_3200": 25.6,  # PC4-25600
    "lpddr4_3200": 6.4,  # x16
    "gddr6_14000": 56.0,  # x32
    "hbm2_2000": 256.0,  # a stack
    "hbm3_6400": 819.2,  # a stack
}
TIMING = "memory.dram={level: timing, timing: hbm2_2000}"


def text_of(name: str) -> str:
    return (config_root() / "dram" / f"{name}.yaml").read_text(encoding="utf-8")


def written(folder: Path, change: Any) -> Path:
    data = yaml.safe_load(text_of("ddr4_3200"))
    change(data)
    path = folder / "x.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return path


def problems(path: Path) -> dict[str, str]:
    with pytest.raises(InputError) as caught:
        load_dram_standard(path)
    return {
        problem.where.rpartition(" ")[2]: f"{problem.found} | {problem.expected}" for problem in caught.value.problems
    }


@pytest.mark.parametrize("name", dram_standard_names())
def test_peak_bandwidth_is_the_published_one(name: str) -> None:
    standard = load_dram_standard(name)
    assert standard.name == name
    assert standard.channel_mb_per_s * standard.organisation.channels == PUBLISHED[name] * 1000
    # The same from the clocks: a burst after the other.
    bytes_per_us = standard.burst_bytes * standard.clock_mhz / standard.burst_clocks
    assert bytes_per_us * standard.organisation.channels == PUBLISHED[name] * 1000
    assert standard.clocks.t_ccd_s == standard.burst_clocks


@pytest.mark.parametrize("name", dram_standard_names())
def test_shipped_standard_names_its_source(name: str) -> None:
    standard = load_dram_standard(name)
    assert "at commit" in standard.source.replace("\n", " ")
    assert standard.verified != ("recalled" in standard.source)
    assert load_dram_standard(config_root() / "dram" / f"{name}.yaml") == standard


def test_digest_is_of_the_numbers(tmp_path: Path) -> None:
    standard = load_dram_standard("ddr4_3200")
    other_words = load_dram_standard(written(tmp_path, lambda d: d.update(name="x", source="y", description="z")))
    assert other_words.digest == standard.digest
    other = load_dram_standard(written(tmp_path, lambda d: d["clocks"].update(t_rc=75)))
    assert other.digest != standard.digest


@pytest.mark.parametrize(
    ("section", "key", "value", "told"),
    [
        ("organisation", "page_bytes", 1024, "1024 | columns x bus_bits / 8 = 8192"),
        ("organisation", "columns", 1020, "1020 | a multiple of burst_length (8)"),
        ("organisation", "burst_length", 7, "7 | a multiple of transfers_per_clock (2)"),
        ("organisation", "banks_per_group", 17, "68 banks | at most 64 banks"),
        ("organisation", "banks_per_group", 0, "0 | at least 1"),
        ("organisation", "bus_bits", 12, "12 | "),
        ("interface", "command_buses", 3, "3 | at most 2"),
        ("clocks", "t_rc", 73, "73 | at least t_ras + t_rp = 74"),
        ("clocks", "t_rrd_l", 3, "3 | at least t_rrd_s = 4"),
        ("clocks", "t_ccd_s", 3, "3 | at least the clocks of a burst = 4"),
        ("clocks", "t_ccd_l", 3, "3 | at least t_ccd_s = 4"),
        ("clocks", "t_faw", 3, "3 | at least t_rrd_s = 4"),
        ("clocks", "t_wtr_l", 3, "3 | at least t_wtr_s = 4"),
        ("clocks", "t_rtw", 9, "9 | at least t_cl + the clocks of a burst - t_cwl = 10"),
        ("clocks", "t_refi", 700, "700 | at least t_rfc + t_rc"),
        ("clocks", "t_cl", 1.5, "1.5 | a whole number"),
        ("clocks", "t_cll", 3, "unknown key 't_cll' | one of"),
    ],
)
def test_contradiction_is_told_at_its_place(tmp_path: Path, section: str, key: str, value: Any, told: str) -> None:
    found = problems(written(tmp_path, lambda d: d[section].update({key: value})))
    assert found[f"{section}.{key}"].startswith(told)


def test_all_problems_of_a_file_are_told_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text_of("ddr4_3200").replace("t_rc: 74", "t_rc: 1").replace("t_rrd_l: 8", "t_rrd_l: 1\n  t_rp: 22"))
    with pytest.raises(InputError) as caught:
        load_dram_standard(path)
    lines = path.read_text().split("\n")
    places = {problem.where.removeprefix(str(tmp_path)) for problem in caught.value.problems}
    wanted = {"t_rc": "t_rc: 1", "t_rrd_l": "t_rrd_l: 1"}
    for key, text in wanted.items():
        line = lines.index(f"  {text}") + 1
        assert any(place.startswith(f"/x.yaml:{line}:") and place.endswith(f"clocks.{key}") for place in places)
    assert any(problem.found == "the key 't_rp' again" for problem in caught.value.problems)


def test_unknown_name_lists_the_shipped_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gddr6_14000, hbm2_2000.*did you mean 'hbm2_2000'"):
        load_dram_standard("hbm2_200")
    with pytest.raises(InputError, match="no such file"):
        load_dram_standard("nowhere/x.yaml")
    (tmp_path / "x.yaml").write_text("ddr4")
    with pytest.raises(InputError, match="a single value"):
        load_dram_standard(tmp_path / "x.yaml")


def test_machine_file_names_a_standard_beside_it(tmp_path: Path) -> None:
    machine = tmp_path / "m.yaml"
    text = (config_root() / "machines" / "zero_skip.yaml").read_text(encoding="utf-8")
    begin, end = text.index("    standard: hbm2"), text.index("    queue: 16")
    machine.write_text(text[:begin] + "    level: timing\n    timing: own/x.yaml\n    channels: 3\n" + text[end:])
    (tmp_path / "own").mkdir()
    written(tmp_path / "own", lambda d: d["clocks"].update(t_cl=30, t_rtw=20))
    d = timing_dram(load_arch(machine))
    assert (d.standard.clocks.t_cl, d.channels, d.controller_queue, d.queue) == (30, 3, 32, 16)
    assert d.peak_mb_per_s == 3 * 25_600


def test_level_timing_takes_rate_and_latency_from_the_standard() -> None:
    arch = load_arch("zero_skip", [TIMING])
    assert arch.system.dram.bandwidth_gb_per_s is None
    assert timing_dram(arch).unloaded.rate_numerator == 256
    assert load_arch("zero_skip", [TIMING, "array.rows=64"]).replaced("array.rows", 32).digest == arch.digest
    assert load_arch("zero_skip").system.dram.bandwidth_gb_per_s == 64
    defaults = load_arch("zero_skip", ["memory.dram={}"]).system.dram
    assert (defaults.bandwidth_gb_per_s, defaults.latency_ns) == (64, 100)


@pytest.mark.parametrize(
    ("dram", "key", "found"),
    [
        ("level: timing, timing: hbm2_2000, bandwidth_gb_per_s: 10", "bandwidth_gb_per_s", "10"),
        ("level: timing, timing: hbm2_2000, latency_ns: 0", "latency_ns", "0"),
        ("level: timing", "timing", "null"),
        ("level: timing, timing: hbm2_2000, channels: 1025", "channels", "1025"),
        ("level: timing, timing: hbm2_2000, channels: 0", "channels", "0"),
        ("level: timing, timing: hbm2_2000, page: opened", "page", '"opened"'),
        ("level: timing, timing: hbm2_2000, address_mapping: row", "address_mapping", '"row"'),
        ("level: timing, timing: hbm2_2000, controller_queue: 0", "controller_queue", "0"),
        ("timing: hbm2_2000", "timing", "hbm2_2000"),
        ("page: closed", "page", "closed"),
        ("channels: 2", "channels", "2"),
        ("scheduler: fcfs", "scheduler", "fcfs"),
        ("controller_queue: 31", "controller_queue", "31"),
        ("level: banks", "level", '"banks"'),
    ],
)
def test_key_of_the_other_level_is_refused(dram: str, key: str, found: str) -> None:
    override = f"memory.dram={{{dram}}}"
    with pytest.raises(InputError) as caught:
        load_arch("zero_skip", [override])
    (problem,) = caught.value.problems
    assert (problem.where, problem.found) == (f"--set {override} {key}", found)


@settings(max_examples=80, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["name", "source", "verified", "organisation", "interface", "clocks", "x"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(max_size=4)
        | st.dictionaries(st.text(max_size=5), st.integers()),
    )
)
def test_junk_is_never_more_than_an_input_error(tmp_path_factory: pytest.TempPathFactory, junk: object) -> None:
    path = tmp_path_factory.mktemp("junk") / "x.yaml"
    path.write_bytes(yaml.safe_dump(junk, allow_unicode=True).encode("utf-8", "surrogatepass"))
    with pytest.raises(InputError):
        load_dram_standard(path)


def test_validate_command_also_checks_the_standard(tmp_path: Path) -> None:
    text = (config_root() / "machines" / "zero_skip.yaml").read_text(encoding="utf-8")
    begin, end = text.index("    standard: hbm2"), text.index("    queue: 16")
    for name, wrong in (("hbm2_2000", False), ("hbm2_2001", True)):
        file = tmp_path / f"{name}.yaml"
        file.write_text(text[:begin] + f"    level: timing\n    timing: {name}\n" + text[end:])
        result = CliRunner().invoke(skipstone, ["validate", str(file)])
        assert isinstance(result.exception, InputError) == wrong, result.output
        assert ("memory.dram.timing: 'hbm2_2001'" in str(result.exception)) == wrong


@pytest.mark.parametrize("name", dram_standard_names())
def test_a_standard_names_the_row_that_prices_it(name: str) -> None:
    """A machine at level timing is never priced as another memory in silence."""
    arch = load_arch("zero_skip", [f"memory.dram={{level: timing, timing: {name}}}"])
    assert name.startswith(dram_energy_row(arch)) or name == "hbm3_6400"
    assert dram_energy_row(load_arch("zero_skip", ["memory.dram={}"])) == "hbm2"
    own = load_arch("zero_skip", [f"memory.dram={{level: timing, timing: {name}, standard: lpddr_malladi}}"])
    assert dram_energy_row(own) == "lpddr_malladi"
