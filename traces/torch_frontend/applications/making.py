"""An application by the name of its command, with settings of a scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from traces.errors import InputError, nearest
from traces.thresholds import Policy
from traces.torch_frontend.applications.application import Application
from traces.torch_frontend.applications.captioning import Captioning
from traces.torch_frontend.applications.language_modelling import LanguageModelling
from traces.torch_frontend.applications.translation import Translation
from traces.torch_frontend.scales import SCALES
from traces.torch_frontend.settings import (
    CaptioningSettings,
    LanguageModelSettings,
    TrainingSettings,
    TranslationSettings,
)

FIXED: dict[str, dict[str, Any]] = {
    "torch-char-lm": {"unit": "char"},
    "word-lm": {"unit": "word"},
    "transformer-lm": {"cell": "transformer"},
    "caption": {},
    "translate": {},
}
"""By command, the settings that it stands for."""


def make_application(
    command: str, values: Mapping[str, Any], policy: Policy, scale: str = "small"
) -> tuple[Application, TrainingSettings]:
    """Make an application and the settings of its training.

    Parameters
    ----------
    command : str
        A key of `FIXED`.
    values : mapping
        Settings of model and training that replace the scale's; those that are None do not.
    policy : Policy
    scale : str
        A key of the command's `SCALES`.

    Raises
    ------
    InputError
        Where there is no such command or setting, a setting is out of range, or the corpus cannot be had.
    """
    if command not in FIXED:
        raise InputError.of("application", repr(command), f"one of {', '.join(FIXED)}", nearest(command, FIXED))
    given = {key: value for key, value in values.items() if value is not None}
    settings = SCALES[command][scale] | FIXED[command] | given
    names = {field.name for field in fields(TrainingSettings)}
    training = TrainingSettings(policy=policy, **{key: settings.pop(key) for key in names & settings.keys()})
    model = {"caption": CaptioningSettings, "translate": TranslationSettings}.get(command, LanguageModelSettings)
    known = [field.name for field in fields(model)]
    for key in settings:
        if key not in known:
            raise InputError.of(
                f"{command} {key}", "an unknown setting", f"one of {', '.join(known)}", nearest(key, known)
            )
    chosen = model(**settings)
    if isinstance(chosen, CaptioningSettings):
        return Captioning(chosen, training.seed), training
    if isinstance(chosen, TranslationSettings):
        return Translation(chosen, training.seed), training
    assert isinstance(chosen, LanguageModelSettings)
    return LanguageModelling(chosen, training.seed), training
