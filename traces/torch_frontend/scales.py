"""Sizes that go together: settings of each application for two CPU cores, for patience, and as published."""

from __future__ import annotations

from typing import Any

SCALES: dict[str, dict[str, dict[str, Any]]] = {
    "torch-char-lm": {
        "small": {"layers": 2, "hidden": 128, "sequence": 50, "batch": 32, "steps": 600, "learning_rate": 0.003},
        "medium": {"layers": 2, "hidden": 256, "sequence": 100, "batch": 32, "steps": 4000},
        "paper": {"layers": 3, "hidden": 256, "sequence": 100, "batch": 32, "steps": 20_000},
    },
    "word-lm": {
        "small": {"layers": 1, "hidden": 128, "embedding": 128, "sequence": 20, "batch": 32, "steps": 600}
        | {"largest_vocabulary": 5000, "dropout": 0.1, "learning_rate": 0.003},
        "medium": {"layers": 2, "hidden": 256, "embedding": 256, "sequence": 35, "batch": 32, "steps": 5000}
        | {"tied": True, "dropout": 0.3, "patience": 10},
        # The medium model of Zaremba et al. (arXiv 1409.2329; recalled), with Adam and tied weights.
        "paper": {"layers": 2, "hidden": 650, "embedding": 650, "sequence": 35, "batch": 20, "steps": 50_000}
        | {"tied": True, "dropout": 0.5, "patience": 20},
    },
    "transformer-lm": {
        "small": {"layers": 2, "hidden": 64, "heads": 4, "sequence": 50, "batch": 16, "steps": 600},
        "medium": {"layers": 4, "hidden": 128, "heads": 4, "sequence": 100, "batch": 32, "steps": 5000}
        | {"dropout": 0.1, "patience": 10, "learning_rate": 0.001},
        # The width and heads of Vaswani et al.'s base model (NeurIPS 2017; recalled), as a language model.
        "paper": {"layers": 6, "hidden": 512, "heads": 8, "sequence": 256, "batch": 32, "steps": 50_000}
        | {"dropout": 0.1, "patience": 20, "learning_rate": 0.0003},
    },
    "caption": {
        "small": {"hidden": 128, "embedding": 64, "channels": 16, "image_size": 32, "batch": 32, "steps": 2500}
        | {"learning_rate": 0.001},
        "medium": {"hidden": 256, "embedding": 128, "channels": 32, "image_size": 48, "batch": 32, "steps": 4000}
        | {"patience": 10, "learning_rate": 0.001},
        # The sizes of Vinyals et al.'s decoder (CVPR 2015; recalled); their encoder was a pretrained network.
        "paper": {"hidden": 512, "embedding": 512, "channels": 64, "image_size": 72, "batch": 64, "steps": 20_000}
        | {"dropout": 0.3, "least_count": 5, "patience": 20, "learning_rate": 0.001},
    },
    "translate": {
        "small": {"hidden": 128, "embedding": 64, "batch": 32, "steps": 800},
        "medium": {"layers": 2, "hidden": 256, "embedding": 128, "batch": 32, "steps": 8000, "beam": 4}
        | {"dropout": 0.3, "patience": 10, "least_count": 2, "longest": 50, "learning_rate": 0.001},
        # Half the width of Luong et al.'s (EMNLP 2015; recalled), for corpora of this size.
        "paper": {"layers": 4, "hidden": 512, "embedding": 512, "batch": 64, "steps": 30_000, "beam": 5}
        | {"dropout": 0.3, "patience": 20, "least_count": 2, "longest": 50, "learning_rate": 0.001},
    },
}
"""By command and scale: what replaces the defaults of the settings of model and training."""
