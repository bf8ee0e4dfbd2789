"""`arrays` and `chips` in a machine's file: a number or a mapping, one digest for one machine, clear refusals."""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain.cases import machine

from simulator.arch import Architecture, load_arch
from simulator.arch.json_schema import machine_schema
from traces.errors import InputError


@given(st.integers(1, 4096), st.integers(1, 1024))
def test_a_number_of_chips_is_a_mapping_with_that_count(chips: int, arrays: int) -> None:
    short, long = machine(chips=chips, arrays=arrays), machine(chips={"count": chips}, arrays=arrays)
    assert short == long
    assert short.digest == long.digest
    assert Architecture.parse(short.to_dict()) == short
    assert short.scaled_out == (chips > 1 or arrays > 1)
    assert short.multipliers == chips * arrays * machine().multipliers


@pytest.mark.parametrize("name", ["zero_skip", "tensordash", "training_card"])
def test_digests_of_machines_that_are_not_scaled_out_are_those_without_the_keys(name: str) -> None:
    data = load_arch(name).to_dict()
    for key in ("description", "arrays", "chips"):
        del data[key]
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    links = ["arrays=1", "chips=1", "chips.link.latency_ns=3", "chips.gradients=sparse"]
    assert load_arch(name, links).digest == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "change",
    ["arrays=2", "chips=2", "chips={count: 2, overlap: false}", "chips={count: 2, link: {latency_ns: 1}}"],
)
def test_each_way_to_scale_out_has_a_digest_of_its_own(change: str) -> None:
    others = {load_arch("zero_skip", [one]).digest for one in ("name=zero_skip", "arrays=3", "chips=3")}
    assert load_arch("zero_skip", [change]).digest not in others


@pytest.mark.parametrize("order", [1, -1])
def test_a_number_leaves_what_else_is_said_of_chips(order: int) -> None:
    said = ["chips=8", "chips.link.bandwidth_gb_per_s=62"][::order]
    chips = load_arch("zero_skip", said).chips
    assert (chips.count, chips.link.bandwidth_gb_per_s) == (8, 62)
    pod = load_arch("pod")
    assert load_arch("pod", ["chips=2"]).chips.link == pod.chips.link
    assert pod.replaced("chips", 2).chips.link == pod.chips.link
    assert pod.replaced("chips", {"count": 2}).chips.link != pod.chips.link


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"chips": 0}, "at least 1"),
        ({"chips": 5000}, "at most 4096"),
        ({"chips": 2.5}, "a whole number, or a mapping with the keys count"),
        ({"chips": True}, "a whole number, or a mapping"),
        ({"chips": {"cuont": 2}}, "did you mean 'count'"),
        ({"chips": {"link": {"bandwith_gb_per_s": 2}}}, "did you mean 'bandwidth_gb_per_s'"),
        ({"chips": {"link": {"bandwidth_gb_per_s": 0}}}, "more than 0"),
        ({"chips": {"gradients": "spares"}}, "did you mean 'sparse'"),
        ({"chips": {"all_reduce": "tree"}}, "ring"),
        ({"chips": {"batch": "shared"}}, "per_chip, divided"),
        ({"arrays": 0}, "at least 1"),
        ({"arrays": 1025}, "at most 1024"),
        ({"arrays": [2]}, "a whole number"),
    ],
)
def test_mistakes_are_told_with_what_would_be_right(change: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as raised:
        machine(**change)
    assert told in str(raised.value)
    assert next(iter(change)) in raised.value.problems[0].where


def test_a_link_in_cycles() -> None:
    arch = machine(clock_mhz=1500, chips={"count": 2, "link": {"bandwidth_gb_per_s": 62.5, "latency_ns": 0.5}})
    assert Fraction(*arch.link_bytes_per_cycle) == Fraction(62_500, 1500)
    assert arch.link_latency_cycles == 1  # 0.75, rounded up


def test_editors_are_told_both_forms_of_chips() -> None:
    number, mapping = machine_schema()["properties"]["chips"]["anyOf"]
    assert number["type"] == "integer"
    assert mapping == {"$ref": "#/$defs/Chips"}
