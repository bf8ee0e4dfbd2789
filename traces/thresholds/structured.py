"""Zeros in the patterns that hardware likes: n of m, whole columns over the batch, blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from traces.errors import InputError
from traces.thresholds.arrays import Floats, keep_largest, masked
from traces.thresholds.policy import Moment, Policy, Rule, nested, restore_state, state_of, thresholder_of
from traces.thresholds.values import WHERE, choice, whole

CRITERIA = ("max", "l1", "l2")


@dataclass(frozen=True)
class NofM(Policy, Rule):
    """Keep the n largest magnitudes of each m neighbours.

    Exactly n of each group stay (fewer are non-zero where the gradient has zeros itself); of equal magnitudes those of
    lowest index. A last group of fewer than m neighbours keeps at most n, too.

    Parameters
    ----------
    n : whole number from 1 to m
        Elements that stay; m changes nothing.
    m : whole number from 1
        Elements of a group.
    axis : gate or batch
        Neighbours in the gate index k = g * H + h of a sequence, the order of the trace, or in the batch.
    """

    n: int
    m: int
    axis: str = "gate"

    kind: ClassVar[str] = "n_m"
    source: ClassVar[str] = "n:m fine-grained structured sparsity, 2:4 of NVIDIA A100 (recalled)"

    def __post_init__(self) -> None:
        whole("m", self.m, 1)
        whole("n", self.n, 1, self.m)
        choice("axis", self.axis, ("gate", "batch"))

    def for_layer(self, name: str) -> NofM:
        """Return the policy itself: it holds no state."""
        return self

    def apply(self, gradient: Floats, moment: Moment) -> Floats:
        """See `Rule.apply`."""
        G, H, B = gradient.shape
        magnitudes = np.abs(gradient).reshape(G * H, B)
        lines = magnitudes.T if self.axis == "gate" else magnitudes  # neighbours along the last axis
        count, length = lines.shape
        # Zeros behind the last group are never chosen before its own elements, which have lower indices.
        padded = np.pad(lines, ((0, 0), (0, -length % self.m)))
        keep = keep_largest(padded.reshape(-1, self.m), self.n).reshape(count, -1)[:, :length]
        return masked(gradient, (keep.T if self.axis == "gate" else keep).reshape(G, H, B))


@dataclass(frozen=True)
class Columns(Policy):
    """Keep or drop a gate element (g, h) for the whole batch, by the size of its B gradients.

    Parameters
    ----------
    criterion : max, l1 or l2
        The size: the largest magnitude, the sum of magnitudes, or the root of the sum of squares over the batch.
    rule : policy
        Which of the sizes [G, H, 1] stay: one that changes no values, such as fixed, relative, target or top_k.
    """

    criterion: str
    rule: Policy

    kind: ClassVar[str] = "columns"
    source: ClassVar[str] = "vector sparsity over the batch"

    def __post_init__(self) -> None:
        choice("criterion", self.criterion, CRITERIA)
        object.__setattr__(self, "rule", _size_rule(self.rule))

    def for_layer(self, name: str) -> GroupRule:
        """Make the thresholder, with what state its rule holds."""
        return GroupRule(self.rule, name, self.criterion, (1, None))


@dataclass(frozen=True)
class Blocks(Policy):
    """Keep or drop blocks of neighbours whole, by the size of their gradients.

    Blocks lie within a gate, from its first cell and the first sequence on; the last ones are smaller where H or B are
    no multiples, and their sums have fewer terms. A block with a NaN stays.

    Parameters
    ----------
    shape : [b, 1] or [1, b]
        Cells by sequences of a block: [b, 1] along hidden, [1, b] along the batch; [b, c] is both. [1, 1] is every
        element by itself.
    criterion : max, l1 or l2
        The size: the largest magnitude, the sum of magnitudes, or the root of the sum of squares of a block.
    rule : policy
        Which of the sizes [G, blocks along hidden, blocks along the batch] stay: one that changes no values, such as
        fixed, relative, target or top_k.
    """

    shape: tuple[int, int]
    criterion: str
    rule: Policy

    kind: ClassVar[str] = "blocks"
    source: ClassVar[str] = "block sparsity"

    def __post_init__(self) -> None:
        if not isinstance(self.shape, (list, tuple)) or len(self.shape) != 2:
            raise InputError.of(f"{WHERE} shape", repr(self.shape), "two whole numbers, cells by sequences")
        object.__setattr__(self, "shape", tuple(whole(f"shape[{k}]", size, 1) for k, size in enumerate(self.shape)))
        choice("criterion", self.criterion, CRITERIA)
        object.__setattr__(self, "rule", _size_rule(self.rule))

    def for_layer(self, name: str) -> GroupRule:
        """Make the thresholder, with what state its rule holds."""
        return GroupRule(self.rule, name, self.criterion, self.shape)


class GroupRule(Rule):
    """Keeps and drops groups of elements together, as a rule keeps and drops their sizes.

    Parameters
    ----------
    rule : Policy
        For the sizes.
    layer : str
    criterion : {"max", "l1", "l2"}
    shape : (int, int or None)
        Cells by sequences of a group; None is the whole batch.
    """

    def __init__(self, rule: Policy, layer: str, criterion: str, shape: tuple[int, int | None]) -> None:
        self.rule, self.criterion, self.shape = thresholder_of(rule, layer), criterion, shape

    def apply(self, gradient: Floats, moment: Moment) -> Floats:
        """See `Rule.apply`."""
        _, H, B = gradient.shape
        cells, sequences = self.shape[0], self.shape[1] or B
        # A rule keeps a NaN, so a group with one is kept.
        keep = self.rule.sparsify(self._sizes(np.abs(gradient), cells, sequences), moment) != 0
        if cells > 1:
            keep = np.repeat(keep, cells, axis=1)[:, :H]
        if 1 < sequences < B:
            keep = np.repeat(keep, sequences, axis=2)[:, :, :B]
        return masked(gradient, keep)

    def state(self) -> dict[str, Floats]:
        """Return the state of the rule."""
        return state_of(self.rule)

    def restore(self, state: Mapping[str, Floats]) -> None:
        """Take over what `state` returned."""
        restore_state(self.rule, state)

    def _sizes(self, magnitudes: Floats, cells: int, sequences: int) -> Floats:
        G, H, B = magnitudes.shape
        sequences = min(sequences, B)
        padded = np.pad(magnitudes, ((0, 0), (0, -H % cells), (0, -B % sequences)))
        groups = padded.reshape(G, padded.shape[1] // cells, cells, -1, sequences)
        with np.errstate(over="ignore", invalid="ignore"):
            if self.criterion == "l1":
                sizes: Floats = groups.sum(axis=(2, 4))
                return sizes
            largest: Floats = groups.max(axis=(2, 4), keepdims=True)
            if self.criterion == "l2":
                # Scaled, or the squares of small gradients would be zero and threshold 0 would drop them.
                scaled = groups / np.where(largest > 0, largest, 1)
                largest = largest * np.sqrt(np.square(scaled).sum(axis=(2, 4), keepdims=True))
            return largest[:, :, 0, :, 0]


def _size_rule(value: Any) -> Policy:
    rule = nested("rule", value)
    if rule.changes_values():
        hint = f"put {rule.kind} outside"
        raise InputError.of(
            f"{WHERE} rule", rule.kind, "a policy that changes no values: sizes are compared only", hint
        )
    return rule
