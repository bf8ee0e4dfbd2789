"""The options of a command line that say when a gate gradient is zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from traces.errors import InputError

if TYPE_CHECKING:
    from traces.thresholds import Policy

DEFAULT_THRESHOLD = 1e-6
"""The paper's."""

THRESHOLD = click.option(
    "--threshold",
    type=float,
    default=None,
    help="Gate gradients of at most this magnitude become zero; 0 changes nothing. Left out: "
    f"{DEFAULT_THRESHOLD:g}, unless there is a --policy.",
)
POLICY = click.option(
    "--policy",
    default=None,
    help="When a gate gradient becomes zero: kind=target,sparsity=0.8 or the like, a JSON object as in a trace's "
    "header, or a .json file. `skipstone policies` lists them.",
)


def policy_of(threshold: float | None, policy: str | None) -> Policy:
    """Make the policy that ``--threshold`` or ``--policy`` asks for.

    Raises
    ------
    InputError
        Where both are given, or one is not as it must be.
    """
    from traces.thresholds import Fixed
    from traces.thresholds.text import parse_policy

    if policy is None:
        return Fixed(DEFAULT_THRESHOLD if threshold is None else threshold)
    if threshold is not None:
        raise InputError.of("--threshold and --policy", "both", "one: a threshold is short for a policy")
    return parse_policy(policy)
