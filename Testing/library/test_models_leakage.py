"""A model that is judged on patients it learnt from: said in a sentence."""

from claimslicer.labels import Label, scar_of_labels
from claimslicer.models.leakage import leakage, trained_on
from claimslicer.models.registry import resolve
from claimslicer.studies import read_study
from claimslicer.synthesis import synthesize
from claimslicer.training.nnunet.dataset import DatasetSettings, export_dataset
from training_cohort import write_cohort


class Notes:
    """Keeps what is told."""

    def __init__(self) -> None:
        self.told = []

    def progress(self, stage, fraction, message=""):
        pass

    def emit(self, kind, **values):
        self.told.append((kind, values))


def test_the_card_tells_whom_a_model_was_trained_on():
    card = resolve(None, "synthesis").card
    trained, held_back = card.split["training"][0], card.split["validation"][0]
    assert trained_on(card, [trained, held_back, "somebody"]) == [trained]
    said = leakage("generator", card, [trained, held_back])
    assert "trained on 1 of these 2 patients" in said
    assert trained in said
    assert held_back not in said
    assert leakage("generator", card, [held_back]) == ""


def test_children_count_as_their_parents():
    card = resolve(None, "segmentation").card
    children = [name for name in card.split["training"] if "synthetic" in name]
    for child in children[:3]:
        parent = child.partition("-synthetic")[0]
        assert trained_on(card, [parent]) == [parent]


def test_an_export_says_which_generator_has_seen_who_is_held_back(tmp_path):
    cohort = write_cohort(tmp_path / "cohort", {"Case_P001": True, "Case_P004": True, "Case_P002": True})
    study = read_study(cohort / "Case_P001")
    scar = scar_of_labels(study.labels)
    result = synthesize(study, study.labels, scar, num_inference_steps=1, repaint_existing=True, device="cpu")
    (tmp_path / "children").mkdir()
    image, _ = result.write(tmp_path / "children" / "child_synthetic.nii.gz")
    from claimslicer.studies import write_volume

    labels = image.with_name("child_synthetic_labels.nii.gz")
    write_volume(labels, result.study.labels, study.geometry, recipe=result.recipe)
    notes = Notes()
    settings = DatasetSettings(folds=3)
    export_dataset(cohort, tmp_path / "raw", settings, synthetic=tmp_path / "children", events=notes)
    told = [values["message"] for kind, values in notes.told if kind == "leakage"]
    trained = set(trained_on(resolve(None, "synthesis").card, ["Case_P002", "Case_P004"]))
    assert len(told) == bool(trained)
    for patient in trained:
        assert patient in told[0]
    assert "train a generator for each fold" in told[0]
    assert Label.INFARCT in result.study.labels
