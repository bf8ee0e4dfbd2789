"""Policies as words: on the command line, and in the table that the README and `skipstone policies` show."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from contract.threshold_policies import BY_GATE, POLICIES

import traces
from traces.cli import policies
from traces.errors import InputError
from traces.thresholds import Fixed, Off, Policy, Relative, Target, TopK, from_mapping
from traces.thresholds.table import all_described, described, markdown_table
from traces.thresholds.text import parse_policy


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("kind=off", Off()),
        ("kind=fixed,threshold=1e-6", Fixed(1e-6)),
        (" kind = target , sparsity = 0.8,per=gate ", Target(0.8, per="gate")),
        ("kind=top_k,k=7,sparsity=null", TopK(k=7)),
        ("kind=relative,of=rms,factor=2", Relative("rms", 2)),
    ],
)
def test_short_form_is_read(text, policy):
    assert parse_policy(text) == policy


@pytest.mark.parametrize("mapping", [*POLICIES.values(), BY_GATE])
def test_json_is_read_as_text_and_from_a_file(mapping, tmp_path):
    text = json.dumps(mapping)
    (tmp_path / "policy.json").write_text(text, encoding="utf-8")
    assert parse_policy(text) == parse_policy(str(tmp_path / "policy.json")) == from_mapping(mapping)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected kind=target,sparsity=0.8 or the like, a JSON object"),
        ("fixed", "policy: found 'fixed'"),
        ("kind=fixed,threshold", "policy: found"),
        ("kind=fixed,threshold=1e-6,threshold=2", "policy threshold: found this key twice"),
        ("kind=fixd,threshold=1", "did you mean 'fixed'"),
        ("kind=fixed,threshold=small", "policy threshold: found 'small'"),
        ("kind=fixed,threshold=NaN", "policy threshold: found nan"),
        ("kind=fixed,threshold=[1]", r"policy threshold: found '\[1\]'"),
        ("kind=warm_up,steps=3,policy=off", "policy policy: found 'off'; expected a mapping"),
        ('{"kind": "fixed"', "text that is not JSON"),
        ('{"kind": "off", "kind": "off"}', "the key 'kind' twice"),
        ('{"kind":' * 100000, "nested too deeply|not JSON"),
        ("no/such.json", "no/such.json: found No such file"),
        ("nul\0.json", "found no path"),
    ],
)
def test_text_that_is_no_policy_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        parse_policy(text)


@pytest.mark.parametrize(
    ("content", "message"), [(b"[1]", "no JSON object"), (b"\xff", "no UTF-8"), (b" " * (1 << 19), "more than")]
)
def test_file_that_is_no_policy_is_refused(content, message, tmp_path):
    (tmp_path / "p.json").write_bytes(content)
    with pytest.raises(InputError, match=message):
        parse_policy(str(tmp_path / "p.json"))


@pytest.mark.parametrize("kind", sorted(Policy.registered))
def test_every_policy_tells_all_of_itself(kind):
    told = described(Policy.registered[kind])
    assert told["kind"] == kind
    assert told["summary"].endswith(".")
    assert told["source"]
    for parameter in told["parameters"]:
        assert parameter["values"]
        assert parameter["description"].endswith(".")
        assert parameter["required"] == ("default" not in parameter)


def test_table_says_which_policies_change_values():
    assert {told["kind"] for told in all_described() if told["changes_values"]} == {"stochastic", "error_feedback"}


def test_readme_holds_the_table_of_the_classes():
    readme = (Path(traces.__file__).parent / "README.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"^\| kind \|.*?\n(?=\n)", readme, re.MULTILINE | re.DOTALL)
    assert table == markdown_table()


def test_policies_command_prints_every_kind_as_text_and_as_json():
    shown = CliRunner().invoke(policies, [])
    assert shown.exit_code == 0
    assert re.findall(r"^(\w+): ", shown.output, re.MULTILINE) == sorted(Policy.registered)
    assert max(map(len, shown.output.splitlines())) <= 120
    listed = json.loads(CliRunner().invoke(policies, ["--json"]).output)
    assert listed == json.loads(json.dumps(all_described()))
