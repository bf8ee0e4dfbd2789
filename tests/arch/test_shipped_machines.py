"""The shipped machines, their schema file, the two commands, and what importing costs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

import simulator
from simulator.arch import (
    Architecture,
    Mechanism,
    PassCounts,
    PassMasks,
    arch_names,
    config_root,
    dram_energy_row,
    load_arch,
)
from simulator.arch.json_schema import machine_schema, schema_path, schema_text
from simulator.cli import skipstone
from simulator.energy import load_energy_table
from traces.errors import InputError

ALIKE = ("dense", "gated", "vector_skip", "staged_window", "independent_lanes")


def test_configs_are_found_in_a_wheel_and_in_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "simulator"
    package.mkdir()
    monkeypatch.setattr(simulator, "__file__", str(package / "__init__.py"))
    with pytest.raises(FileNotFoundError, match="reinstall"):
        config_root()
    (tmp_path / "arch_configs" / "machines").mkdir(parents=True)
    assert config_root() == tmp_path / "arch_configs"
    (package / "arch_configs" / "machines").mkdir(parents=True)
    assert config_root() == package / "arch_configs"


def test_promised_machines_are_shipped() -> None:
    assert {*ALIKE, "zero_skip"} <= set(arch_names())


@pytest.mark.parametrize("name", arch_names())
def test_shipped_machine_loads_under_its_file_name(name: str) -> None:
    arch = load_arch(name)
    assert arch.name == name
    assert arch.description
    assert arch == load_arch(config_root() / "machines" / f"{name}.yaml")


@pytest.mark.parametrize("name", arch_names())
@pytest.mark.parametrize("table", ["cmos_45nm", "cmos_7nm"])
def test_shipped_machine_can_be_priced_by_both_default_tables(name: str, table: str) -> None:
    arch = load_arch(name)
    prices = load_energy_table(table)
    standard = None if arch.ideal_memory else dram_energy_row(arch)
    assert prices.needed_by(arch.precision.operand, arch.precision.accumulator, standard) == []


@pytest.mark.parametrize("name", ALIKE)
def test_five_machines_differ_in_nothing_but_skipping(name: str) -> None:
    def rest(machine: Architecture) -> dict[str, object]:
        return {k: v for k, v in machine.to_dict().items() if k not in ("name", "description", "skipping")}

    assert rest(load_arch(name)) == rest(load_arch("dense"))
    assert load_arch(name).array.rows == load_arch(name).array.columns == 32
    assert not load_arch(name).ideal_memory


def test_five_machines_have_five_mechanisms() -> None:
    assert len({load_arch(name).skipping for name in ALIKE}) == len(ALIKE)


@pytest.mark.parametrize("name", arch_names())
def test_shipped_machine_points_editors_to_the_schema(name: str) -> None:
    path = config_root() / "machines" / f"{name}.yaml"
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=../schema/architecture.schema.json"
    assert (path.parent / first.partition("$schema=")[2]).resolve() == schema_path().resolve()


def test_schema_file_is_fresh() -> None:
    assert schema_path().read_text(encoding="utf-8") == schema_text(), "run python -m simulator.arch.json_schema"


def test_schema_knows_every_shipped_mechanism_and_key() -> None:
    schema = machine_schema()
    shipped = {name for name, kind in Mechanism.registered.items() if kind.__module__.startswith("simulator.")}
    union = schema["$defs"]["Mechanism"]
    assert set(union["discriminator"]["mapping"]) == shipped
    for reference in union["oneOf"]:
        definition = schema["$defs"][reference["$ref"].rpartition("/")[2]]
        assert "mechanism" in definition["required"]
        assert definition["additionalProperties"] is False
    assert set(schema["properties"]) == set(Architecture.model_fields)
    for definition in schema["$defs"].values():
        for key, value in definition.get("properties", {}).items():
            assert key == "mechanism" or value.get("description") or "$ref" in value, key


def test_schema_says_bounds_in_its_own_words() -> None:
    schema = machine_schema()
    rate, latency = (schema["$defs"]["Link"]["properties"][key] for key in ("bandwidth_gb_per_s", "latency_ns"))
    assert (rate["exclusiveMinimum"], rate["maximum"]) == (0, 10**6)
    assert latency["minimum"] == 0
    assert not [word for word in ("gt", "ge", "lt", "le") if f'"{word}":' in schema_text()]


def test_schema_refers_to_nothing_that_it_lacks() -> None:
    text = schema_text()
    wanted = {part.split('"')[0] for part in text.split("#/$defs/")[1:]}
    assert wanted <= set(machine_schema()["$defs"])


def test_mechanism_defined_anywhere_may_be_loaded() -> None:
    from typing import Literal

    class Halved(Mechanism):
        mechanism: Literal["halved_for_this_test"] = "halved_for_this_test"
        share: int = 2

        def count(self, masks: PassMasks) -> PassCounts:
            raise NotImplementedError

    try:
        arch = load_arch("dense", ["skipping={mechanism: halved_for_this_test, share: 3}"])
        assert arch.skipping == Halved(share=3)
        assert arch.to_dict()["skipping"] == {"mechanism": "halved_for_this_test", "share": 3}
        assert schema_text() == schema_path().read_text(encoding="utf-8")
        with pytest.raises(InputError, match=r"--set skipping\.shar=3.*did you mean 'share'"):
            load_arch("dense", ["skipping.mechanism=halved_for_this_test", "skipping.shar=3"])
        with pytest.raises(ValidationError):
            Halved(share="x")  # type: ignore[arg-type]
    finally:
        del Mechanism.registered["halved_for_this_test"]


def test_archs_lists_every_shipped_machine() -> None:
    result = CliRunner().invoke(skipstone, ["archs"])
    assert result.exit_code == 0
    head, *lines = result.output.splitlines()
    assert head.split() == ["name", "array", "mechanism", "memory"]
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == arch_names()
    assert "    depth 16, refill 4, banks 16" in lines
    assert lines.count("    arrays 4, chips 4") == 1  # the pod
    assert max(map(len, lines)) <= 80


def test_archs_json_is_every_resolved_machine() -> None:
    result = CliRunner().invoke(skipstone, ["archs", "--json"])
    listed = json.loads(result.output)
    assert [entry["file"] for entry in listed] == arch_names()
    for entry in listed:
        file, digest = entry.pop("file"), entry.pop("digest")
        assert Architecture.parse(entry) == Architecture.parse(load_arch(file).to_dict())
        assert digest == load_arch(file).digest


def skipstone_run(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; sys.argv[0] = 'skipstone'; from simulator.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


def test_validate_tells_good_files_and_all_problems_of_the_others(tmp_path: Path) -> None:
    good = config_root() / "machines" / "gated.yaml"
    text = good.read_text(encoding="utf-8")
    bad, poor = tmp_path / "bad.yaml", tmp_path / "poor.yaml"
    bad.write_text(text.replace("rows: 32", "rows: 0").replace("standard: hbm2", "standart: hbm2"))
    poor.write_text(text.replace("standard: hbm2", "standard: hbm9"))
    done = skipstone_run("validate", str(bad), str(good), str(poor))
    assert done.returncode == 2
    assert done.stdout == f"ok  {good}  gated  {load_arch('gated').digest}\n"
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    assert f"error: {bad}:" in lines[0]
    assert "array.rows: found 0" in lines[0]
    assert "did you mean 'standard'?" in lines[1]
    assert lines[2].startswith(f"error: {poor} energy_table: energy table cmos_45nm: found no row dram.hbm9")


def test_validate_takes_a_table_beside_the_file(tmp_path: Path) -> None:
    text = (config_root() / "machines" / "gated.yaml").read_text(encoding="utf-8")
    (tmp_path / "own.yaml").write_text((config_root() / "energy" / "cmos_7nm.yaml").read_text(encoding="utf-8"))
    machine = tmp_path / "machine.yaml"
    machine.write_text(text.replace("energy_table: cmos_45nm", "energy_table: own.yaml"))
    assert CliRunner().invoke(skipstone, ["validate", str(machine)]).exit_code == 0
    (tmp_path / "own.yaml").unlink()
    with pytest.raises(InputError, match=r"energy_table: own\.yaml: found no such file"):
        CliRunner().invoke(skipstone, ["validate", str(machine)], catch_exceptions=False)


def test_validate_without_a_file_is_a_mistake() -> None:
    assert skipstone_run("validate").returncode == 2


def test_digest_does_not_know_the_folder(tmp_path: Path) -> None:
    copy = tmp_path / "copy.yaml"
    copy.write_text((config_root() / "machines" / "dense.yaml").read_text(encoding="utf-8"))
    assert load_arch(copy).digest == load_arch("dense").digest


@pytest.mark.parametrize(
    "code",
    [
        "import simulator",
        "from simulator.arch import load_arch; load_arch('zero_skip')",
        "from simulator.energy import load_energy_table; load_energy_table('cmos_45nm')",
        "from click.testing import CliRunner as C; from simulator.cli import skipstone as s\n"
        "assert C().invoke(s, ['archs']).exit_code == 0\n"
        "assert C().invoke(s, ['validate', 'dense']).exit_code == 0",
    ],
)
def test_machines_need_nothing_heavy(code: str) -> None:
    heavy = "{'numba', 'pandas', 'matplotlib', 'torch', 'simpy'}"
    check = f"{code}; import sys; loaded = {heavy} & set(sys.modules); assert not loaded, loaded"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_package_gives_its_public_names_lazily() -> None:
    assert simulator.load_arch is load_arch
    assert simulator.Architecture is Architecture
    assert {"load_arch", "simulate", "sweep", "Architecture"} <= set(dir(simulator))
    with pytest.raises(AttributeError, match="no attribute 'nix'"):
        _ = simulator.nix
