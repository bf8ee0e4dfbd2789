"""When a gate gradient counts as zero: threshold policies, the same for numpy and for PyTorch.

The paper (ICLR 2017 submission HJWzXsKxx) prints its rule as ``(dnet > t) ? dnet : 0``. Read literally that
drops every negative gradient, however large; the absolute value is missing. The rule here keeps an element
where ``|dG| > t`` and makes it an exact zero elsewhere, so threshold 0 changes nothing.

A policy is three things: a frozen specification (`Policy`, which the trace header states as a mapping), what
one layer's backward pass asks (`Thresholder`, made by `Policy.for_layer`, which may hold state such as a
controller's running threshold), and the circumstances of each question (`Moment`). A new policy is one
subclass of `Policy` with a ``kind``; defining it registers it for `from_mapping`. Policies nest: a schedule, a
choice by layer or error feedback holds other policies, and blocks and columns hold the rule for their sizes.

What all policies keep to: an element is dropped by a product with 0, so a NaN stays one and is never hidden;
a threshold or a sparsity of 0 changes no bit; the decision is computed by numpy on the numbers themselves, so
that numpy and PyTorch give the same bits (see `traces.thresholds.arrays`). PyTorch is never imported here.

``skipstone policies`` lists them; `traces.thresholds.text` reads them from a command line.
"""

from traces.thresholds.controlled import Target
from traces.thresholds.feedback import ErrorFeedback
from traces.thresholds.magnitude import Fixed, Relative, TopK
from traces.thresholds.parts import ByGate, ByLayer
from traces.thresholds.policy import (
    Moment,
    Off,
    Policy,
    Thresholder,
    from_mapping,
    restore_state,
    state_of,
)
from traces.thresholds.schedules import Mixed, WarmUp
from traces.thresholds.stochastic import Stochastic
from traces.thresholds.structured import Blocks, Columns, NofM

__all__ = [
    "Blocks",
    "ByGate",
    "ByLayer",
    "Columns",
    "ErrorFeedback",
    "Fixed",
    "Mixed",
    "Moment",
    "NofM",
    "Off",
    "Policy",
    "Relative",
    "Stochastic",
    "Target",
    "Thresholder",
    "TopK",
    "WarmUp",
    "from_mapping",
    "restore_state",
    "state_of",
]
