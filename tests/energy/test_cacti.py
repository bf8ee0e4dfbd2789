"""The off-line generator: what it asks, what it refuses to believe, and what it writes.

CACTI itself is no part of these tests: a stand-in for the package answers in the real child process, and the traps that
were measured on the real one are answers here.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from simulator.arch import config_root
from simulator.cli import skipstone
from simulator.energy import cacti
from simulator.energy.cacti import Answer, Memory, as_csv, ask, cache_file, expected_pj, rising, run_in_a_process
from simulator.energy.sram import SramRow, access_pj_per_bit, read_sram_csv
from traces import InputError

SHIPPED = config_root() / "energy" / "sram_cacti.csv"
ROWS: dict[int, tuple[SramRow, ...]] = {node: read_sram_csv(SHIPPED, node, "CACTI 7", True) for node in (45, 22, 7)}

GOOD: dict[str, Any] = {
    "read_j": 25.8695e-12,
    "write_j": 19.6486e-12,
    "area_m2": 0.209046e-6,
    "leakage_w": 1.67027e-6,
    "access_s": 1.66341e-9,
    "cycle_s": 1.65095e-9,
    "node_nm": 45.0,
    "versions": "hwcomponents 1, hwcomponents-cacti 2",
}
AT_64_KIB = Memory(45, 64 * 1024)


def saying(**changes: Any) -> Callable[[Mapping[str, Any]], str]:
    """A runner that answers as for 64 KiB at 45 nm, but for some numbers."""
    return lambda asked: "noise of the model\nRESULT " + json.dumps({**GOOD, **changes}) + "\n"


def test_sound_answer_becomes_a_row() -> None:
    answer = ask(AT_64_KIB, saying())
    assert answer.line == "45,64,25.8695,19.6486,1.66341,0.605712,0.209046,0.00167027"
    assert answer.line in SHIPPED.read_text()


def test_what_is_asked_is_in_metres_and_bits() -> None:
    asked: list[Mapping[str, Any]] = []

    def runner(question: Mapping[str, Any]) -> str:
        asked.append(question)
        return saying()(question)

    ask(Memory(45, 64 * 1024, port_bits=64, banks=2), runner)
    assert asked == [{"node_m": 45e-9, "capacity_bits": 524288, "port_bits": 64, "banks": 2}]


@pytest.mark.parametrize("node", [*range(7, 23), 32, 45, 65, 90])
def test_node_is_the_float_that_turns_into_it_again(node: int) -> None:
    """90 * 1e-9 does not: the model would take it for a node beyond its last, and be wrong ninefold."""
    memory = Memory(node, 1024)
    taken_nm = memory.node_m * 1e9
    assert taken_nm == pytest.approx(node, rel=1e-15)
    assert (taken_nm == node) or node not in cacti.MODELLED_NM
    assert memory.is_at(taken_nm)
    assert not memory.is_at(node * (1 + 1e-9))
    assert (90 * 1e-9) * 1e9 != 90
    assert not Memory(90, 1024).is_at((90 * 1e-9) * 1e9)


@pytest.mark.parametrize(
    ("memory", "message"),
    [
        ((0, 1024), "a node of 0 nm"),
        ((130, 1024), "a node of 130 nm; expected 22, 32, 45, 65, 90 nm as CACTI has them, or 7 to 21 nm"),
        ((28, 1024), "a node of 28 nm"),
        ((6, 1024), "a node of 6 nm"),
        ((45e-9, 1024), "nanometres: 45, not 45e-9"),
        ((45, -1024), "expected at least 512 bytes"),
        ((45, 0), "expected at least 512 bytes"),
        ((45, 1024, 64, 4), "banks: 4; expected at least 2048 bytes"),
        ((45, 1024, 0), "a port of 0 bits"),
        ((45, 1024, -64), "a port of -64 bits"),
        ((45, 1024, 65), "a port of 65 bits; expected a multiple of 8"),
        ((45, 65536, 64, 3), "3 banks; expected a power of two"),
        ((45, 65536, 64, 0), "0 banks"),
    ],
)
def test_what_the_model_would_swallow_is_not_asked(memory: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Memory(*memory)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"read_j": "(1.2e-12+3e-13j)"}, r"read_j: found \(1\.2e-12\+3e-13j\); expected a real number above 0"),
        ({"area_m2": -2e-7}, "area_m2: found -2e-07; expected a real number above 0"),
        ({"leakage_w": 0.0}, "leakage_w: found 0.0"),
        ({"write_j": float("nan")}, "write_j: found nan"),
        ({"access_s": float("inf")}, "access_s: found inf"),
        ({"cycle_s": None}, "cycle_s: found None"),
        ({"cycle_s": True}, "cycle_s: found True"),
        ({"node_nm": 45.00000000000001}, r"node: found 45\.00000000000001 nm; expected 45 nm"),
        ({"node_nm": 45e9}, "node: found 45000000000.0 nm; expected 45 nm"),
        ({"read_j": 25.8695e-12 / 9}, r"read: found 2\.87 pJ; expected about 25\.9 pJ"),
        ({"write_j": 19.6486e-12 * 9}, r"write: found 177 pJ; expected about 19\.6 pJ"),
    ],
)
def test_wrong_answers_are_not_believed(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ask(AT_64_KIB, saying(**changes))


def test_every_wrong_number_of_an_answer_is_told() -> None:
    with pytest.raises(InputError) as caught:
        ask(AT_64_KIB, saying(read_j="1j", area_m2=-1.0))
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("output", ["", "RESULT {}\nRESULT {}\n", "no result\n"])
def test_one_result_is_wanted(output: str) -> None:
    with pytest.raises(InputError, match="results; expected one"):
        ask(AT_64_KIB, lambda asked: output)


def test_plausible_is_what_the_shipped_table_says() -> None:
    for node in (45, 22):
        for row in ROWS[node]:
            memory = Memory(node, int(row.capacity_kib * 1024))
            assert expected_pj(memory, False) == pytest.approx(row.read_pj)
            assert expected_pj(memory, True) == pytest.approx(row.write_pj)
    for row in ROWS[7]:  # scaled by the package as it is here
        assert expected_pj(Memory(7, int(row.capacity_kib * 1024)), False) == pytest.approx(row.read_pj, rel=1e-4)
    # CACTI 7 as rebuilt here, 64 KiB and 64 bits, pJ of a read.
    for node, measured_pj in {32: 12.8735, 65: 47.0445, 90: 103.687}.items():
        assert expected_pj(Memory(node, 65536), False) == pytest.approx(measured_pj, rel=0.15)
    # The ninefold error of 90 * 1e-9: 11.4673 pJ.
    assert expected_pj(Memory(90, 65536), False) > cacti.PLAUSIBLE * 11.4673


def answer(capacity_kib: int, node: int = 45, **changes: float) -> Answer:
    numbers = {"read_pj": 10.0, "write_pj": 10.0, "latency_ns": 1.0, "accesses_per_ns": 1.0}
    numbers |= {"area_mm2": 0.1, "leakage_mw": 0.001, **changes}
    return Answer(memory=Memory(node, capacity_kib * 1024), versions="v", **numbers)


def test_costs_must_rise_with_the_capacity() -> None:
    rising([answer(64, area_mm2=0.3), answer(8, read_pj=9.0, area_mm2=0.1), answer(8, node=22, read_pj=30.0)])
    with pytest.raises(InputError, match=r"65536 bytes at 45 nm: leakage_mw: found 0\.0005; expected no less than"):
        rising([answer(8), answer(64, leakage_mw=0.0005)])
    with pytest.raises(InputError) as caught:
        rising([answer(8), answer(64, area_mm2=0.01, write_pj=1.0)])
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("node", ROWS)
def test_shipped_rows_pass_the_checks(node: int) -> None:
    rising(
        [
            Answer(
                memory=Memory(node, int(row.capacity_kib * 1024)),
                read_pj=row.read_pj,
                write_pj=row.write_pj,
                latency_ns=1.0,
                accesses_per_ns=1.0,
                area_mm2=row.area_mm2 or 0.0,
                leakage_mw=row.leakage_mw or 0.0,
                versions="",
            )
            for row in ROWS[node]
        ]
    )


def test_file_is_read_again_as_it_was_written(tmp_path: Path) -> None:
    answers = [answer(8), answer(64, area_mm2=0.5), answer(8, node=14, read_pj=3.0)]
    file = tmp_path / "s.csv"
    file.write_text(as_csv(answers))
    rows = read_sram_csv(file, 45, "made", True)
    assert [(row.capacity_kib, row.area_mm2, row.bits, row.banks) for row in rows] == [
        (8, 0.1, 64, 1),
        (64, 0.5, 64, 1),
    ]
    assert read_sram_csv(file, 14, "made", True)[0].read_pj == 3
    assert "# 14 nm is the package's scaling of 22 nm" in file.read_text()
    assert "skipstone sram --node 45 --node 14 --kib 8 --kib 64 --port-bits 64 --banks 1" in file.read_text()
    assert "scaling of" not in as_csv(answers[:2])
    assert as_csv(answers) == as_csv(list(answers))


def test_cache_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_file([45, 22], 128, 2) == tmp_path / "skipstone" / "sram_45_22nm_128bits_2banks.csv"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_file([45], 64, 1).parent == tmp_path / ".cache" / "skipstone"


# The command, with a stand-in for the package in the real child process

STAND_IN = '''
"""Answers by a square root of the capacity, through 64 KiB at 45 nm; with the real package's lack of checks."""
class SRAM:
    def __init__(self, tech_node, width, size, n_rw_ports, n_banks):
        self.tech_node = tech_node * 1e9
        ratio = (size / 524288) ** 0.5 * (self.tech_node / 45) ** 2
        self.read_energy, self.write_energy = 25.8695e-12 * ratio, 19.6486e-12 * ratio
        self.area, self.leak_power = 0.209046e-6 * ratio, 1.67027e-6 * ratio
        self.access_time, self.cycle_period = 1.66e-9, 1.65e-9
        print("the model says something of its own")
'''


def command(*words: str) -> Result:
    return CliRunner().invoke(skipstone, ["sram", *words])


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "packages"
    folder.mkdir()
    (folder / "hwcomponents_cacti.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder / "hwcomponents_cacti.py"


def test_command_writes_a_file_for_an_energy_table(stand_in: Path, tmp_path: Path) -> None:
    out = tmp_path / "made" / "sram.csv"
    done = command("--node", "45", "--kib", "128", "--kib", "32", "--node", "22", "--out", str(out))
    assert done.exit_code == 0, done.output
    assert str(out) in done.output
    assert "4/4 memories" in done.output
    rows = read_sram_csv(out, 45, "made", True)
    assert [row.capacity_kib for row in rows] == [32, 128]
    assert access_pj_per_bit(rows, 128 * 1024, False)[0] * 64 == pytest.approx(25.8695 * 2**0.5, rel=1e-5)
    assert "hwcomponents-cacti of unknown version" in out.read_text()
    assert list(out.parent.iterdir()) == [out]


def test_command_writes_to_the_cache_by_default(
    stand_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    done = command("--node", "45", "--kib", "64", "--quiet")
    assert done.exit_code == 0, done.output
    file = tmp_path / "cache" / "skipstone" / "sram_45nm_64bits_1banks.csv"
    assert done.output == f"{file}\n"
    assert len(read_sram_csv(file, 45, "made", True)) == 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("25.8695e-12 * ratio", "25.8695e-12j * ratio", "expected a real number above 0"),
        ("tech_node * 1e9", "tech_node", "expected 45 nm, which was asked for"),
        ("0.209046e-6 * ratio", "0.209046e-6 / ratio", "no less than the"),
        ("25.8695e-12 * ratio", "25.8695e-12 * ratio / 9", "at most 3 times more or less"),
        ("class SRAM", "raise OSError('GLIBC_2.38 not found')\nclass SRAM", "needs glibc 2.38"),
        ("class SRAM", "class Sram", "cannot import name 'SRAM'"),
    ],
)
def test_nothing_is_written_where_an_answer_is_unsound(
    stand_in: Path, tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = stand_in.read_text()
    assert old in text
    stand_in.write_text(text.replace(old, new).replace("* (self.tech_node / 45) ** 2", ""))
    done = command("--node", "45", "--kib", "32", "--kib", "64", "--out", str(tmp_path / "out.csv"))
    assert isinstance(done.exception, InputError)
    assert message in str(done.exception)
    assert not (tmp_path / "out.csv").exists()


def test_without_the_extra_one_message_says_how_to_get_it(tmp_path: Path) -> None:
    """In a process of its own, for the exit code and the missing traceback; isolated from any real package."""
    blocked = tmp_path / "hwcomponents_cacti.py"
    blocked.write_text("raise ImportError('No module named hwcomponents_cacti')")
    root = Path(cacti.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", "from simulator.cli import main; main()", "sram", "--node", "45"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": f"{tmp_path}:{root}", "HOME": str(tmp_path), "PATH": ""},
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: skipstone sram: found No module named hwcomponents_cacti")
    assert "pip install 'skipstone[cacti]', with Python 3.12 or newer" in line


def test_interpreter_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file or directory; expected an interpreter of Python"):
        run_in_a_process(str(tmp_path / "python"))({})


def test_model_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cacti, "CHILD", "import time; time.sleep(60)")
    monkeypatch.setattr(cacti, "TIMEOUT_SECONDS", 0.2)
    with pytest.raises(InputError, match=r"no answer in 0\.2 s"):
        run_in_a_process()({})


def test_file_that_cannot_be_written_is_an_input_error(stand_in: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = command("--node", "45", "--kib", "64", "--quiet", "--out", str(tmp_path / "file" / "out.csv"))
    assert isinstance(done.exception, InputError)
    assert "file: found a file; expected a folder to write results into" in str(done.exception)


def test_no_simulation_knows_the_generator() -> None:
    """CACTI is slow and leaks: nothing but the command imports the module that calls it."""
    root = Path(cacti.__file__).parents[1]
    naming = {
        path.name
        for path in root.rglob("*.py")
        if "energy.cacti" in path.read_text() or "import cacti" in path.read_text()
    }
    assert naming == {"sram.py"}
    assert "energy.cacti" not in (root / "energy" / "sram.py").read_text()
