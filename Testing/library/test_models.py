"""Model cards, the registry, and models going in and out of archives."""

import hashlib
import json
import pickle
import zipfile
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from claimslicer.errors import ModelError, OutputError
from claimslicer.models import registry, transfer
from claimslicer.models.card import ModelCard

STATE = {"layer.weight": torch.arange(6, dtype=torch.float32).reshape(2, 3), "layer.bias": torch.zeros(2)}


def card_fields(kind: str = "synthesis") -> dict:
    """Return what a trainer has to say about its weights."""
    return {
        "kind": kind,
        "version": "1",
        "network": {"widths": [8, 16]},
        "preprocessing": {"spacing_mm": 1.5},
        "data": {"name": "phantom"},
        "split": {"validation": ["a"]},
        "training": {"steps": 3},
        "figures": {"dice": 0.5},
        "terms": "CC0",
    }


@pytest.fixture(autouse=True)
def user_models(tmp_path, monkeypatch) -> Path:
    """Give every test a user's folder of its own."""
    folder = tmp_path / "user models"
    monkeypatch.setenv("CLAIM_MODELS", str(folder))
    return folder


def save(folder: Path, name: str = "mine", kind: str = "synthesis") -> Path:
    """Write a small model."""
    return registry.save_model(folder, name, STATE, card_fields(kind))


def test_what_is_saved_is_what_is_loaded(tmp_path):
    """Tensors and card survive, and the card knows the versions."""
    model = registry.resolve(save(tmp_path / "run"), "synthesis")
    state = model.load_state()
    assert state.keys() == STATE.keys()
    assert all(torch.equal(state[key], STATE[key]) for key in STATE)
    assert model.card.network == {"widths": [8, 16]}
    assert {"claim-slicer", "torch", "python"} <= set(model.card.made_with)


def test_a_card_survives_json(tmp_path):
    """Card to JSON and back is the same card."""
    card = registry.Model(save(tmp_path)).card
    assert ModelCard.from_json(card.to_json()) == card


def test_a_model_is_found_by_name_folder_and_file(tmp_path, user_models):
    """All three ways lead to the same weights."""
    weights = save(user_models / "mine").resolve()
    for wanted in ("mine", user_models / "mine", weights, weights.with_suffix(".json")):
        assert registry.resolve(wanted, "synthesis").weights.resolve() == weights


def test_the_users_model_comes_before_the_shipped_one(user_models):
    """A model named like the shipped one takes its place."""
    weights = save(user_models / registry.DEFAULT_MODEL, registry.DEFAULT_MODEL)
    assert registry.resolve(None, "synthesis").weights == weights


@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_damaged_weights_are_refused(tmp_path, damage):
    """Cut short, one bit changed, or missing: the sentence names the file."""
    weights = save(tmp_path)
    model = registry.Model(weights)
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    if damage == "gone":
        weights.unlink()
    else:
        weights.write_bytes(content[:-5] if damage == "cut" else content)
    with pytest.raises(ModelError, match=r"synthesis\.safetensors"):
        model.load_state()
    with pytest.raises(ModelError):
        model.verify()


def test_a_matching_hash_does_not_make_a_model(tmp_path):
    """A file that isn't safetensors is refused though its card has its hash."""
    weights = save(tmp_path)
    card = asdict(registry.Model(weights).card)
    weights.write_bytes(b"not weights")
    card["sha256"] = hashlib.sha256(b"not weights").hexdigest()
    weights.with_suffix(".json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(ModelError, match="safetensors file"):
        registry.Model(weights).load_state()


class Runs:
    """What a pickle may hold: something that is run when it is opened."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


def test_a_pickle_in_safetensors_clothes_runs_nothing(tmp_path):
    """Named .safetensors, with a card that has its hash, opened as a model or imported."""
    weights = save(tmp_path / "model")
    card = asdict(registry.Model(weights).card)
    content = pickle.dumps(Runs(tmp_path / "it ran"))
    weights.write_bytes(content)
    card["sha256"] = hashlib.sha256(content).hexdigest()
    weights.with_suffix(".json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(ModelError, match="safetensors file"):
        registry.Model(weights).load_state()
    for task in (registry.resolve, transfer.import_model):
        with suppress(ModelError):
            task(weights) if task is transfer.import_model else task(weights, "synthesis").load_state()
    assert not (tmp_path / "it ran").exists()


@pytest.mark.parametrize(
    "network",
    [{"_target_": "os.system"}, {"widths": "os.system"}, {"widths": [8, 16], "__class__": "os.system"}],
)
def test_a_card_that_names_code_builds_nothing(tmp_path, network):
    """A network's settings are numbers and words that are known, whatever they are called."""
    from claimslicer.synthesis.model import load_generator

    weights = save(tmp_path)
    card = asdict(registry.Model(weights).card)
    card["network"] = network
    weights.with_suffix(".json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(ModelError):
        load_generator(weights, "cpu")


def test_the_wrong_kind_is_refused(tmp_path):
    """A synthesis model can't segment."""
    with pytest.raises(ModelError, match="synthesis model"):
        registry.resolve(save(tmp_path), "segmentation")


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "model.ckpt"])
def test_pickles_are_refused_unopened(tmp_path, name):
    """Whatever such a file holds, it isn't opened."""
    (tmp_path / name).write_bytes(b"\x80\x04")
    with pytest.raises(ModelError, match="pickle"):
        registry.resolve(tmp_path / name, "synthesis")
    with pytest.raises(ModelError, match="pickle"):
        transfer.import_model(tmp_path / name)


def test_an_unknown_name_says_what_there_is(user_models):
    """The sentence lists the models of that kind."""
    save(user_models / "mine")
    with pytest.raises(ModelError, match="mine"):
        registry.resolve("yours", "synthesis")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format_version": 2}, "update"),
        ({"network": 3}, "network"),
        ({"extra": 1}, "unknown"),
        ({"kind": "cat"}, "kind"),
        ({"name": "../up"}, "name"),
        ({"terms": None}, "terms"),
    ],
)
def test_wrong_cards_are_refused(tmp_path, change, reason):
    """Each wrong field has its sentence."""
    card = asdict(registry.Model(save(tmp_path)).card)
    with pytest.raises(ModelError, match=reason):
        ModelCard.from_fields({**card, **change})


def test_a_card_that_lacks_a_field_is_refused(tmp_path):
    """The missing field is named."""
    card = asdict(registry.Model(save(tmp_path)).card)
    del card["split"]
    with pytest.raises(ModelError, match="split"):
        ModelCard.from_fields(card)


def test_export_and_import_bring_the_same_weights(tmp_path, user_models, monkeypatch):
    """Both kinds and the licence go through an archive to another user."""
    for kind in ("synthesis", "segmentation"):
        save(user_models / "mine", kind=kind)
    (user_models / "mine" / "LICENSE").write_text("terms", encoding="utf-8")
    archive = transfer.export_model("mine", tmp_path / "mine.zip")
    monkeypatch.setenv("CLAIM_MODELS", str(tmp_path / "other user"))
    models = transfer.import_model(archive)
    assert {model.card.kind for model in models} == {"synthesis", "segmentation"}
    assert (tmp_path / "other user" / "mine" / "LICENSE").read_text(encoding="utf-8") == "terms"
    assert all(torch.equal(models[0].load_state()[key], STATE[key]) for key in STATE)
    assert len(registry.verify("mine")) == 2
    assert [path.name for path in (tmp_path / "other user").iterdir()] == ["mine"]
    with pytest.raises(ModelError, match="already"):
        transfer.import_model(archive)


def test_import_of_a_file_names_it_by_its_kind(tmp_path, user_models):
    """A trainer's file of any name becomes <name>/<kind>.safetensors."""
    weights = save(tmp_path / "run")
    best = weights.replace(weights.with_name("best.safetensors"))
    weights.with_suffix(".json").replace(best.with_suffix(".json"))
    (model,) = transfer.import_model(best)
    assert model.weights == user_models / "mine" / "synthesis.safetensors"
    assert best.is_file()


def test_an_archive_can_write_nowhere_else(tmp_path, user_models):
    """Entries that climb out of their folder land inside the model's own."""
    weights = save(tmp_path / "run")
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as packed:
        for path in (weights, weights.with_suffix(".json")):
            packed.write(path, f"../../{path.name}")
        packed.writestr("/etc/evil.txt", "x")
    transfer.import_model(tmp_path / "evil.zip")
    assert sorted(path.name for path in (user_models / "mine").iterdir()) == [
        "evil.txt",
        "synthesis.json",
        "synthesis.safetensors",
    ]


@pytest.mark.parametrize("what", ["missing", "text", "empty folder", "no card", "damaged", "cut zip"])
def test_what_is_no_model_is_refused_and_leaves_nothing(tmp_path, user_models, what):
    """Every wrong source has a sentence, and the user's folder stays empty."""
    weights = save(tmp_path / "run")
    source = tmp_path / "source"
    if what == "text":
        source.write_text("hello", encoding="utf-8")
    elif what == "empty folder":
        source.mkdir()
    elif what == "no card":
        weights.with_suffix(".json").unlink()
        source = weights
    elif what == "damaged":
        weights.write_bytes(weights.read_bytes()[:-1])
        source = weights.parent
    elif what == "cut zip":
        source = tmp_path / "cut.zip"
        with zipfile.ZipFile(source, "w") as packed:
            packed.write(weights, "synthesis.safetensors")
            packed.write(weights.with_suffix(".json"), "synthesis.json")
        content = bytearray(source.read_bytes())
        content[100] ^= 255
        source.write_bytes(content)
    with pytest.raises(ModelError):
        transfer.import_model(source)
    assert not user_models.exists() or not list(user_models.iterdir())


def test_export_never_overwrites(tmp_path, user_models):
    """An archive that exists stays as it is."""
    save(user_models / "mine")
    archive = tmp_path / "mine.zip"
    archive.write_text("precious", encoding="utf-8")
    with pytest.raises(OutputError):
        transfer.export_model("mine", archive)
    assert archive.read_text(encoding="utf-8") == "precious"


def test_shipped_models_verify_and_say_their_terms():
    """What the package carries is what its cards say, under the data's licence."""
    shipped = [model for model in registry.list_models() if model.shipped]
    if not shipped:
        pytest.skip("no weights are in this copy of the package")
    for model in shipped:
        model.verify()
        assert "CC BY-NC-SA 4.0" in model.card.terms
        assert (model.weights.parent / "LICENSE").is_file()


def test_a_model_is_imported_under_another_name_shown_on_some_lines_and_removed(cli, tmp_path):
    source = save(tmp_path / "run").parent
    assert cli("models", "import", source, "--name", "../evil").code == 2
    assert cli("models", "import", source, "--name", "yours").code == 0
    assert registry.resolve("yours", "synthesis").card.name == "yours"
    registry.resolve("yours", "synthesis").verify()
    assert cli("models", "import", source, "--name", "yours").code == 2
    shown = cli("models", "show", "yours").out
    assert len(shown.splitlines()) < 15
    for words in ("1 validation", "CC0", "yours (synthesis)"):
        assert words in shown
    assert '"widths"' in cli("models", "show", "yours", "--full").out
    assert cli("models", "remove", "emidec").code == 2
    assert cli("models", "remove", "yours").code == 0
    assert cli("models", "remove", "yours").code == 2
