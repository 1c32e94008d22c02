"""Text encoders from folders, kept embeddings, and a generator that is told its captions."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from claimslicer.anatomy import build_frame
from claimslicer.errors import ModelError, SpecificationError, StudyError
from claimslicer.labels import Label, infarct_mask, scar_of_labels
from claimslicer.smile.words import parse
from claimslicer.studies import read_study, write_volume
from claimslicer.synthesis import synthesize
from claimslicer.synthesis.band import band_mask
from claimslicer.synthesis.model import load_generator
from claimslicer.synthesis.network import Generator
from claimslicer.synthesis.text import (
    CaptionEmbeddings,
    _broken_torchvision_hidden,
    embed_captions,
    load_text_encoder,
    read_captions,
    write_captions,
)
from claimslicer.training.data.cache import read_case_folders, write_cache
from claimslicer.training.data.captions import cohort_captions
from claimslicer.training.settings.config import SynthesisConfig
from claimslicer.training.trainers.synthesis import train_synthesis
from cli_runner import run_here
from training_cohort import write_cohort

transformers = pytest.importorskip("transformers", reason="text conditioning is the extra 'text'")

WORDS = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] sub ##endo ##epi ##card ##ial mid wall scar infarct basal apical lateral "
    "inferior anterior septal of segment transmural ml lv mass mvo core % . , - ##2 0 1 2 3 4 5"
)
SENTENCES = ("Subendocardial basal scar, 3 ml", "apical mid-wall infarct, 12 ml, 4 % of LV mass")


def write_encoder(folder: Path, head: str = "BertForMaskedLM", seed: int = 0) -> Path:
    """Write a BERT of two layers with its own word pieces, as a Hugging Face folder."""
    with _broken_torchvision_hidden():
        torch.manual_seed(seed)
        words = WORDS.split()
        config = transformers.BertConfig(
            vocab_size=len(words),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=48,
            initializer_range=0.2,
        )
        network = getattr(transformers, head)(config)
        network.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return the folder of a tiny encoder, whose maker trained it on masked words: it has no pooler."""
    return write_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Fail where anything asks for an address."""

    def refuse(*_arguments, **_options):
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_texts_become_vectors(folder):
    encoder = load_text_encoder(folder)
    found = encoder.embed(SENTENCES)
    assert (found.shape, found.dtype, encoder.width) == ((2, 32), np.float32, 32)
    np.testing.assert_allclose(np.square(found).mean(1), 1.0, rtol=1e-4)
    assert np.abs(found[0] - found[1]).max() > 0.1
    # Padding beside a longer text changes nothing, nor does the size of a batch.
    np.testing.assert_allclose(encoder.embed(SENTENCES[:1])[0], found[0], atol=1e-5)
    many = encoder.embed(SENTENCES * 20)
    np.testing.assert_allclose(many, np.tile(found, (20, 1)), atol=1e-5)
    assert encoder.embed([]).shape == (0, 32)
    assert np.isfinite(encoder.embed(["scar, " * 2000])).all()


def test_vectors_are_the_networks_own(folder):
    """The mean is that of the hidden states of the network, run by hand."""
    with _broken_torchvision_hidden():
        network = transformers.BertModel.from_pretrained(folder).eval()
        tokenizer = transformers.BertTokenizer.from_pretrained(folder)
    tokens = tokenizer(SENTENCES[0], return_tensors="pt")
    assert int((tokens["input_ids"] == 1).sum()) == 0  # no word is unknown
    with torch.inference_mode():
        mean = network(**tokens).last_hidden_state[0].mean(0).numpy()
    expected = mean / np.sqrt(np.square(mean).mean())
    np.testing.assert_allclose(load_text_encoder(folder).embed(SENTENCES[:1])[0], expected, atol=1e-5)


def test_an_encoder_is_loaded_once_and_again_when_it_has_changed(tmp_path):
    first = load_text_encoder(write_encoder(tmp_path / "encoder", seed=1))
    assert load_text_encoder(str(tmp_path / "encoder")) is first
    other = load_text_encoder(write_encoder(tmp_path / "encoder", seed=2))
    assert other.sha256 != first.sha256


def broken(kind: str, folder: Path) -> None:
    weights, config = folder / "model.safetensors", folder / "config.json"
    if kind == "pickle":
        weights.rename(folder / "pytorch_model.bin")
    elif kind == "no weights":
        weights.unlink()
    elif kind == "cut short":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif kind == "no config":
        config.unlink()
    elif kind == "no tokenizer":
        (folder / "vocab.txt").unlink()
    elif kind == "not JSON":
        config.write_text("{", encoding="utf-8")
    else:
        values = json.loads(config.read_text(encoding="utf-8"))
        values |= {
            "own code": {"model_type": "mine", "auto_map": {"AutoModel": "code.Model"}},
            "another size": {"hidden_size": 64},
            "more layers": {"num_hidden_layers": 3},
            "a picture network": {"model_type": "vit"},
        }[kind]
        (folder / "code.py").write_text("raise SystemExit('the folder's code ran')", encoding="utf-8")
        config.write_text(json.dumps(values), encoding="utf-8")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("pickle", "is a pickle"),
        ("no weights", "lacks model.safetensors"),
        ("cut short", "can't be loaded"),
        ("no config", "lacks config.json"),
        ("no tokenizer", "lacks the tokenizer"),
        ("not JSON", "can't be loaded"),
        ("own code", "can't be loaded"),
        ("another size", "can't be loaded|don't fit"),
        ("more layers", "don't fit"),
        ("a picture network", "can't be loaded|don't fit|does not read text"),
    ],
)
def test_folders_that_are_no_text_encoder_are_refused(folder, tmp_path, kind, words):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    broken(kind, copy)
    with pytest.raises(ModelError, match=words) as caught:
        load_text_encoder(copy)
    assert "\n" not in str(caught.value)


def test_no_folder_is_said():
    with pytest.raises(ModelError, match="no folder"):
        load_text_encoder("nowhere/at all")


def test_embeddings_are_kept_in_a_file(folder, tmp_path):
    captions = dict(zip(("Case_P001", "Käse_P002"), SENTENCES, strict=True))
    made = embed_captions(captions, load_text_encoder(folder))
    path = write_captions(tmp_path / "caption_embeddings.safetensors", made)
    found = read_captions(path)
    assert found.names == ("Case_P001", "Käse_P002")
    assert found.captions == SENTENCES
    assert (found.encoder, found.width) == (load_text_encoder(folder).sha256, 32)
    np.testing.assert_array_equal(found.of(["Käse_P002", "Case_P001"]), made.embeddings[::-1])
    with pytest.raises(StudyError, match="Case_P009"):
        found.of(["Case_P009"])
    with pytest.raises(StudyError, match="no captions"):
        embed_captions({}, load_text_encoder(folder))


def test_kept_embeddings_are_read_without_transformers(tmp_path):
    path = write_captions(
        tmp_path / "kept.safetensors", CaptionEmbeddings(("a",), ("scar",), np.ones((1, 4), np.float32), "x")
    )
    program = (
        "import sys; sys.modules['transformers'] = None\n"
        "from pathlib import Path\n"
        "from claimslicer.synthesis.text import load_text_encoder, read_captions\n"
        f"print(read_captions(Path({str(path)!r})).width)\n"
        "assert 'torch' not in sys.modules"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.stdout.strip() == "4", ended.stderr


@pytest.mark.parametrize("content", [b"", b"no safetensors at all", None])
def test_damaged_embeddings_are_refused(tmp_path, content):
    path = tmp_path / "kept.safetensors"
    if content is None:
        array = np.ones((3, 4), np.float32)
        write_captions(path, CaptionEmbeddings(("a",), ("scar",), array, "x"))
    else:
        path.write_bytes(content)
    with pytest.raises(StudyError, match="make the file again"):
        read_captions(path)
    with pytest.raises(StudyError, match="train captions"):
        read_captions(tmp_path / "none.safetensors")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, folder) -> Path:
    """Return the run of a generator trained for a few steps with captions, by the commands."""
    here = tmp_path_factory.mktemp("captioned")
    cases = write_cohort(here / "cases", {"Case_P001": True, "Case_N002": False, "Case_P004": True})
    write_cache(here / "cohort.npz", read_case_folders(cases))
    captions = cohort_captions(cases)
    write_captions(here / "captions.safetensors", embed_captions(captions, load_text_encoder(folder)))
    text = (
        "{cache: cohort.npz, out: run, captions: captions.safetensors, caption_dropout: 0.2, steps: 6,"
        " batch_size: 4, warmup_steps: 1, learning_rate: 0.01, average_decay: 0.5, threads: 1,"
        " context_widths: [8, 16], widths: [8, 16]}"
    )
    (here / "run.yaml").write_text(text, encoding="utf-8")
    train_synthesis(SynthesisConfig.from_yaml(here / "run.yaml"), resume=False)
    return here


def test_a_cohort_is_captioned_by_rule(trained):
    kept = read_captions(trained / "captions.safetensors")
    assert kept.names == ("Case_P001", "Case_P004")
    study = read_study(trained / "cases" / "Case_P001")
    asked = parse(kept.captions[0])
    ml = infarct_mask(study.labels).sum() * study.geometry.voxel_volume_ml
    frame = build_frame(study.labels, study.geometry, image=study.image, apex_first=study.apex_first)
    wall_ml = frame.segment_ml()
    assert sum(wall_ml[k] * share / 100 for k, share in asked.percent.items()) == pytest.approx(ml, rel=0.03)


def test_weights_that_were_told_captions_say_so(trained, folder):
    card = json.loads((trained / "run" / "synthesis.json").read_text(encoding="utf-8"))
    assert card["network"]["text_features"] == 32
    assert card["training"]["caption_dropout"] == 0.2
    assert str(trained) not in json.dumps(card)
    generator = load_generator(trained / "run", "cpu")
    assert generator.text_encoder == load_text_encoder(folder).sha256
    # Text is learnt, not only carried along: its weights have left their start.
    torch.manual_seed(0)
    start = Generator(generator.settings).denoise.embed[0].weight[:, -32:]
    assert (generator.network.denoise.embed[0].weight[:, -32:] - start).abs().max() > 1e-3


def test_a_caption_is_heeded_and_guided(trained, folder):
    study = read_study(trained / "cases" / "Case_P004")
    labels = np.where(infarct_mask(study.labels), Label.MYOCARDIUM, study.labels)
    scar = scar_of_labels(study.labels)

    def painted(caption: str | None = None, **options) -> np.ndarray:
        told = {} if caption is None else {"caption": caption, "text_encoder": folder}
        made = synthesize(
            study, labels, scar, model=trained / "run", num_inference_steps=2, **told, **options
        )
        assert ("caption" in made.recipe["settings"]) == (caption is not None)
        return made.image

    plain, first, second = painted(), painted(SENTENCES[0]), painted(SENTENCES[1])
    for one, other in ((plain, first), (plain, second), (first, second)):
        assert not np.array_equal(one, other)
    # Guidance 1 is none and 0 is deaf; a guided network at 1 + ε gives nearly what the unguided one gives.
    np.testing.assert_array_equal(painted(SENTENCES[0], guidance=1.0), first)
    close = np.abs(painted(SENTENCES[0], guidance=1.0 + 1e-6).astype(int) - first)
    assert close.max() <= 1
    np.testing.assert_array_equal(painted(SENTENCES[0], guidance=0.0), painted(SENTENCES[1], guidance=0.0))
    assert not np.array_equal(painted(SENTENCES[0], guidance=4.0), first)
    spacing = (study.geometry.spacing[1], study.geometry.spacing[0])
    outside = (scar == 0) & ~band_mask(scar, spacing)
    np.testing.assert_array_equal(first[outside], study.image[outside])


def test_captions_that_cannot_be_followed_are_refused(trained, folder, tmp_path):
    study = read_study(trained / "cases" / "Case_P004")
    asked = {"study": study, "labels": study.labels, "scar": scar_of_labels(study.labels)}
    asked |= {"repaint_existing": True, "caption": SENTENCES[0]}
    with pytest.raises(SpecificationError, match="needs a text encoder"):
        synthesize(**asked, model=trained / "run")
    with pytest.raises(ModelError, match="another text encoder"):
        synthesize(**asked, model=trained / "run", text_encoder=write_encoder(tmp_path / "other", seed=7))
    text = (trained / "run.yaml").read_text(encoding="utf-8")
    text = text.replace("captions: captions.safetensors, caption_dropout: 0.2, steps: 6", "steps: 1")
    (trained / "textless.yaml").write_text(text.replace("out: run", "out: textless"), encoding="utf-8")
    config = SynthesisConfig.from_yaml(trained / "textless.yaml")
    assert "caption_dropout" not in config.to_dict()
    train_synthesis(config, resume=False)
    with pytest.raises(SpecificationError, match="know no text"):
        synthesize(**asked, model=trained / "textless", text_encoder=folder)


def test_a_study_without_a_caption_stops_training(trained, folder):
    some = embed_captions({"Case_P009": SENTENCES[0]}, load_text_encoder(folder))
    write_captions(trained / "captions_of_others.safetensors", some)
    text = (
        (trained / "run.yaml")
        .read_text(encoding="utf-8")
        .replace("captions: captions", "captions: captions_of_others")
    )
    (trained / "others.yaml").write_text(text.replace("out: run", "out: others"), encoding="utf-8")
    with pytest.raises(StudyError, match="have no caption"):
        train_synthesis(SynthesisConfig.from_yaml(trained / "others.yaml"), resume=False)


def test_the_command_line_takes_captions(trained, folder, tmp_path, monkeypatch, capsys):
    def cli(*arguments):
        return run_here(monkeypatch, capsys, *arguments)

    made = cli(
        "train", "captions", trained / "cases", "--text-encoder", folder, "--out", tmp_path / "c.safetensors"
    )
    assert made.code == 0, made.err
    assert (tmp_path / "c.safetensors").read_bytes() == (trained / "captions.safetensors").read_bytes()
    case = trained / "cases" / "Case_P004"
    write_volume(tmp_path / "mask.nii.gz", scar_of_labels(read_study(case).labels), read_study(case).geometry)
    common = ("synthesize", case, "--scar", tmp_path / "mask.nii.gz", "--repaint-existing", "--steps", "1")
    told = ("--model", trained / "run", "--caption", SENTENCES[0], "--out", tmp_path / "told.nii.gz")
    outcome = cli(*common, *told, "--text-encoder", folder)
    assert outcome.code == 0, outcome.err
    refused = cli(*common, *told, "--text-encoder", tmp_path)
    assert (refused.code, "model.safetensors" in refused.err) == (2, True)
