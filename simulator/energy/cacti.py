"""SRAM rows from CACTI 7, off-line: asked once per memory, each in a process of its own, and checked.

The model is the package hwcomponents-cacti (the extra ``[cacti]``, Python 3.12 or newer). It is never imported here and
never runs inside a simulation: a warm call leaks memory, and a cold one takes up to a second. What it does not check
itself is checked here, on both sides of the call:

* a node is in metres there, so that 45 is taken for 45 m, and ``90 * 1e-9`` is a hair more than 90 nm, which it then
  takes for a node beyond its last and prices nine times too low: nodes are whole nanometres here, handed over as the
  float that it turns into that number again, and what it took is compared;
* a negative size gives a complex number: sizes are checked, and answers must be real, finite and positive;
* an answer may still be of another memory: it must lie within `PLAUSIBLE` of the shipped table, carried to its node by
  the square of the node, and costs must rise with the capacity.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from simulator.arch.locate import config_root
from simulator.energy.sram import COLUMNS, SramRow, access_pj_per_bit, read_sram_csv, width_factor
from traces.errors import InputError, Problem

MODELLED_NM = (22, 32, 45, 65, 90)
"""Nodes that CACTI 7 has."""
SMALLEST_NM = 7
"""Below 22 nm the package scales 22 nm; above 90 nm it would, too, and wrongly."""
PLAUSIBLE = 3.0
"""An energy may be so many times more or less than expected; node errors are off by nine and more."""
CAPACITIES_KIB = (8, 32, 64, 128, 256, 512, 1024, 2048, 4096)
TIMEOUT_SECONDS = 300
INSTALL = "pip install 'skipstone[cacti]', with Python 3.12 or newer; another interpreter that has it: --python"

# One cold call. What is no real number is handed on as text, for the check to name.
CHILD = """
import json, sys
asked = json.loads(sys.argv[1])
try:
    from hwcomponents_cacti import SRAM
except ImportError as error:
    print("RESULT " + json.dumps({"missing": str(error)}))
    sys.exit()
from importlib.metadata import PackageNotFoundError, version
def versions():
    for name in ("hwcomponents", "hwcomponents-cacti"):
        try:
            yield name + " " + version(name)
        except PackageNotFoundError:
            yield name + " of unknown version"
plain = lambda x: float(x) if isinstance(x, (int, float)) else repr(x)
bits, size, banks = asked["port_bits"], asked["capacity_bits"], asked["banks"]
sram = SRAM(tech_node=asked["node_m"], width=bits, size=size, n_rw_ports=1, n_banks=banks)
costs = {"read_j": sram.read_energy, "write_j": sram.write_energy, "area_m2": sram.area, "leakage_w": sram.leak_power}
costs |= {"access_s": sram.access_time, "cycle_s": sram.cycle_period, "node_nm": sram.tech_node}
answer = {key: plain(value) for key, value in costs.items()}
print("RESULT " + json.dumps({**answer, "versions": ", ".join(versions())}))
"""


@dataclass(frozen=True)
class Memory:
    """What is asked: an SRAM of `banks` banks with one port of `port_bits` bits.

    Raises
    ------
    InputError
        Where it is none that the model has.
    """

    node_nm: int
    capacity_bytes: int
    port_bits: int = 64
    banks: int = 1

    def __post_init__(self) -> None:
        where = f"SRAM of {self.capacity_bytes} bytes at {self.node_nm} nm"
        scaled = SMALLEST_NM <= self.node_nm < MODELLED_NM[0]
        if self.node_nm not in MODELLED_NM and not scaled:
            known = ", ".join(map(str, MODELLED_NM))
            expected = f"{known} nm as CACTI has them, or {SMALLEST_NM} to {MODELLED_NM[0] - 1} nm, scaled from 22"
            raise InputError.of(where, f"a node of {self.node_nm} nm", expected, "nanometres: 45, not 45e-9")
        if self.port_bits < 8 or self.port_bits % 8:
            raise InputError.of(where, f"a port of {self.port_bits} bits", "a multiple of 8 bits")
        if self.banks < 1 or self.banks & (self.banks - 1):
            raise InputError.of(where, f"{self.banks} banks", "a power of two")
        least_bytes = 64 * self.banks * self.port_bits // 8
        if self.capacity_bytes < least_bytes:
            found = f"{self.capacity_bytes} bytes in words of {self.port_bits} bits, banks: {self.banks}"
            raise InputError.of(where, found, f"at least {least_bytes} bytes: below 64 words a bank CACTI has no model")

    @property
    def node_m(self) -> float:
        """The node in metres, as the float that times 1e9 is nearest to the number of nanometres.

        For nodes that CACTI has it is exactly that number; no float does that for 15 nm, which is only scaled.
        """
        near = self.node_nm / 1e9
        floats = (near, math.nextafter(near, 0), math.nextafter(near, 1))
        return min(floats, key=lambda metres: abs(metres * 1e9 - self.node_nm))

    def is_at(self, node_nm: float) -> bool:
        """Whether what the model took for the node is the node: exactly, where it is one of its own."""
        if self.node_nm in MODELLED_NM:
            return node_nm == self.node_nm
        return math.isclose(node_nm, self.node_nm, rel_tol=1e-12)


@dataclass(frozen=True)
class Answer:
    """What came back, checked, in the units of the columns of a CSV file."""

    memory: Memory
    read_pj: float
    write_pj: float
    latency_ns: float
    accesses_per_ns: float
    area_mm2: float
    leakage_mw: float
    versions: str

    @property
    def line(self) -> str:
        """The row of the CSV file, six digits each."""
        numbers = {"technology_nm": self.memory.node_nm, "capacity_kib": self.memory.capacity_bytes / 1024}
        return ",".join(f"{numbers.get(name, getattr(self, name, 0)):.6g}" for name in COLUMNS)


Runner = Callable[[Mapping[str, Any]], str]
"""Runs one call and gives its standard output."""


def run_in_a_process(python: str = sys.executable) -> Runner:
    """Give a runner that calls the model in a new process of an interpreter."""

    def run(asked: Mapping[str, Any]) -> str:
        where = f"{python} -c ..."
        try:
            done = subprocess.run(  # noqa: S603 - a list of words for an interpreter that the user names, no shell
                [python, "-c", CHILD, json.dumps(asked)], capture_output=True, text=True, timeout=TIMEOUT_SECONDS
            )
        except OSError as error:
            raise InputError.of(where, error.strerror or str(error), "an interpreter of Python") from None
        except subprocess.TimeoutExpired:
            raise InputError.of(where, f"no answer in {TIMEOUT_SECONDS} s", "an answer of CACTI") from None
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            hint = "the packed binary needs glibc 2.38; `make opt` in the package's folder cacti/ builds it here"
            raise InputError.of(where, last[:300], "an answer of CACTI", hint)
        return done.stdout

    return run


def ask(memory: Memory, runner: Runner) -> Answer:
    """Ask for one memory, and check what comes back.

    Raises
    ------
    InputError
        If the package is not there, or the answer is not one for this memory.
    """
    where = f"CACTI, {memory.capacity_bytes} bytes at {memory.node_nm} nm"
    capacity_bits = memory.capacity_bytes * 8
    asked = {"node_m": memory.node_m, "capacity_bits": capacity_bits}
    output = runner({**asked, "port_bits": memory.port_bits, "banks": memory.banks})
    lines = [line.removeprefix("RESULT ") for line in output.splitlines() if line.startswith("RESULT ")]
    if len(lines) != 1:
        raise InputError.of(where, f"{len(lines)} results", "one")
    raw = json.loads(lines[0])
    if "missing" in raw:
        raise InputError.of("skipstone sram", raw["missing"], "the package hwcomponents-cacti", INSTALL)
    return _checked(memory, raw, where)


def _checked(memory: Memory, raw: Mapping[str, Any], where: str) -> Answer:
    problems = []
    for key in ("node_nm", "read_j", "write_j", "area_m2", "leakage_w", "access_s", "cycle_s"):
        value = raw.get(key)
        if not isinstance(value, float) or not math.isfinite(value) or value <= 0:
            problems.append(Problem(f"{where}: {key}", str(value), "a real number above 0"))
    if problems:
        raise InputError(problems)
    if not memory.is_at(raw["node_nm"]):
        raise InputError.of(f"{where}: node", f"{raw['node_nm']!r} nm", f"{memory.node_nm} nm, which was asked for")
    answer = Answer(
        memory=memory,
        read_pj=raw["read_j"] * 1e12,
        write_pj=raw["write_j"] * 1e12,
        latency_ns=raw["access_s"] * 1e9,
        accesses_per_ns=1e-9 / raw["cycle_s"],
        area_mm2=raw["area_m2"] * 1e6,
        leakage_mw=raw["leakage_w"] * 1e3,
        versions=str(raw.get("versions", "")),
    )
    for write, found in ((False, answer.read_pj), (True, answer.write_pj)):
        expected = expected_pj(memory, write)
        if not expected / PLAUSIBLE <= found <= expected * PLAUSIBLE:
            action = "write" if write else "read"
            about = f"about {expected:.3g} pJ, at most {PLAUSIBLE:g} times more or less, as the shipped table has it"
            raise InputError.of(f"{where}: {action}", f"{found:.3g} pJ", about)
    return answer


def expected_pj(memory: Memory, write: bool) -> float:
    """Say about what an access costs: the shipped table's nearest node, times the square of the nodes' ratio.

    It is good to a factor of `PLAUSIBLE`: CACTI's own nodes from 22 to 90 nm follow it within a tenth at 64 KiB.
    """
    node = min((22, 45), key=lambda known: abs(math.log(memory.node_nm / known)))
    rows = _shipped_rows(node)
    per_bit, _ = access_pj_per_bit(rows, memory.capacity_bytes, write)
    factor, _ = width_factor(memory.port_bits, rows[0].bits, write)
    # The package scales what is below 22 nm with the square root of the node.
    exponent = 0.5 if memory.node_nm < MODELLED_NM[0] else 2.0
    return float(per_bit * factor * memory.port_bits * (memory.node_nm / node) ** exponent)


def _shipped_rows(node_nm: int) -> tuple[SramRow, ...]:
    return read_sram_csv(config_root() / "energy" / "sram_cacti.csv", node_nm, "CACTI 7", True)


def rising(answers: Sequence[Answer]) -> None:
    """Check that a larger memory of a node never costs less.

    Raises
    ------
    InputError
        With every pair that does.
    """
    problems = []
    for node in dict.fromkeys(answer.memory.node_nm for answer in answers):
        of_node = [answer for answer in answers if answer.memory.node_nm == node]
        of_node.sort(key=lambda answer: answer.memory.capacity_bytes)
        for small, large in pairwise(of_node):
            for name in ("read_pj", "write_pj", "area_mm2", "leakage_mw"):
                less, more = getattr(small, name), getattr(large, name)
                if more < less:
                    where = f"CACTI, {large.memory.capacity_bytes} bytes at {node} nm: {name}"
                    smaller = f"{less:.6g} of {small.memory.capacity_bytes} bytes"
                    problems.append(Problem(where, f"{more:.6g}", f"no less than the {smaller}"))
    if problems:
        raise InputError(problems)


def as_csv(answers: Sequence[Answer]) -> str:
    """Write checked answers of one port width and number of banks as a file that `read_sram_csv` reads."""
    memories = [answer.memory for answer in answers]
    ports, banks = {memory.port_bits for memory in memories}, {memory.banks for memory in memories}
    assert len(ports) == len(banks) == 1, "a file has one port width and one number of banks"
    port_bits, some = ports.pop(), banks.pop()
    nodes = sorted({memory.node_nm for memory in memories}, reverse=True)
    sizes = sorted({memory.capacity_bytes for memory in memories})
    command = "skipstone sram " + " ".join(f"--node {node}" for node in nodes)
    command += "".join(f" --kib {size // 1024}" for size in sizes) + f" --port-bits {port_bits} --banks {some}"
    head = [
        f"# SRAM of one port, from {'; '.join(sorted({answer.versions for answer in answers}))} (CACTI 7).",
        f"# Made by `{command}`; energies per access of port_bits bits, area and leakage of the whole memory.",
    ]
    below = [str(node) for node in nodes if node < MODELLED_NM[0]]
    if below:
        ways = "energy by the square root of the node, area by the node, leakage by 0.79 times that root"
        head.append(f"# {' and '.join(below)} nm is the package's scaling of 22 nm ({ways}): not modelled.")
    if port_bits < 32:
        head.append("# Ports below 32 bits are the package's scaling of 32 bits: not modelled.")
    head += [f"# port_bits = {port_bits}", f"# banks = {some}", ",".join(COLUMNS)]
    return "\n".join([*head, *(answer.line for answer in answers)]) + "\n"


def cache_file(nodes: Iterable[int], port_bits: int, banks: int) -> Path:
    """Say where rows go that nobody gave a file for: the user's cache folder (XDG)."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "skipstone"
    return folder / f"sram_{'_'.join(str(node) for node in nodes)}nm_{port_bits}bits_{banks}banks.csv"
