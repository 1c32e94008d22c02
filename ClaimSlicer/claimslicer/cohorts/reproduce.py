"""A result again from its recipe: what went in is checked by its hashes, what comes out voxel by voxel."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from claimslicer.anatomy import Insertions, build_frame
from claimslicer.cohorts.make import author, heart_of
from claimslicer.errors import ModelError, SpecificationError, StudyError
from claimslicer.json_files import read_json
from claimslicer.labels import ScarLabel, infarct_mask, scar_of_labels
from claimslicer.smile import ScarSpec, generate_scar
from claimslicer.studies import Encoding, Geometry, Study, write_volume
from claimslicer.studies.provenance import package_versions, sha256_of_array
from claimslicer.studies.readers.file import read_volume
from claimslicer.studies.synthetic import sidecar_path, split_suffix

if TYPE_CHECKING:
    from claimslicer.models.card import ModelKind

KINDS: dict[str, ModelKind] = {"synthesize": "synthesis", "cohort": "synthesis", "segment": "segmentation"}
"""The commands with weights whose results can be made again, and the kind of the weights."""
COMMANDS = ("smile", *KINDS)


@dataclass(frozen=True)
class Inputs:
    """What a result is made from; ``scar`` and ``intensity`` for a painted scar, both ``(z, y, x)``.

    ``model`` and ``text_encoder`` are only needed where the recipe's own can't be found.
    """

    study: Study
    scar: np.ndarray | None = None
    intensity: np.ndarray | None = None
    model: str | Path | None = None
    text_encoder: str | Path | None = None
    device: str = "auto"


@dataclass(frozen=True)
class Made:
    """A volume that was made again, ``(z, y, x)``, and how a file stores it."""

    array: np.ndarray
    encoding: Encoding | None = None


@dataclass(frozen=True)
class Comparison:
    """A stored file beside what was made again: which of its volumes it is, and what differs."""

    file: Path
    volume: str
    differing: int
    largest: float
    same_grid: bool

    @property
    def identical(self) -> bool:
        """Whether every voxel is the same bit for bit, on the same grid."""
        return self.differing == 0 and self.same_grid


def read_recipe(path: Path) -> dict[str, Any]:
    """Read a recipe, from its JSON file or that of a volume. Raises SpecificationError."""
    file = sidecar_path(path) if split_suffix(path)[1] else path
    try:
        recipe = read_json(file)
    except FileNotFoundError as error:
        raise SpecificationError(f"There is no recipe {file}: check its name.") from error
    except (OSError, ValueError) as error:
        raise SpecificationError(f"{file} is no recipe: give the JSON file beside a result.") from error
    if not isinstance(recipe, dict) or not {"command", "source", "settings", "seed"} <= set(recipe):
        raise SpecificationError(f"{file} is no recipe: give the JSON file beside a result.")
    if recipe["command"] not in COMMANDS:
        raise SpecificationError(
            f"{file} is the recipe of '{recipe['command']}': only {', '.join(COMMANDS)} can be made again."
        )
    return recipe


def check_inputs(recipe: Mapping[str, Any], inputs: Inputs) -> str | Path | None:
    """Raise StudyError, naming all that differs, unless ``inputs`` are what the recipe says.

    Returns the weights to use. Raises ModelError where they aren't to be had.
    """
    source, study = recipe["source"], inputs.study
    different = []
    if source["image_sha256"] != sha256_of_array(study.image):
        different.append("the image")
    if recipe["command"] != "segment" and source["labels_sha256"] != _hash(study.labels):
        different.append("the labels")
    if recipe["command"] == "synthesize":
        if recipe["scar_sha256"] not in _scar_hashes(inputs):
            different.append("the scar mask")
        if recipe.get("intensity_sha256") != _hash(inputs.intensity):
            different.append("the intensity map")
    model, same_weights = _weights(recipe, inputs.model)
    if not same_weights:
        different.append("the weights")
    if missing := _missing(recipe, inputs):
        raise StudyError(
            f"To make the result of {source['name']} again I need {' and '.join(missing)} that it was made "
            "from, and the recipe's own path doesn't lead there: give it."
        )
    if different:
        raise StudyError(
            f"The recipe of {source['name']} was made from other files than these ({', '.join(different)} "
            "differ): give those that it names."
        )
    return model


def _missing(recipe: Mapping[str, Any], inputs: Inputs) -> list[str]:
    """Return which inputs of a painted scar weren't given, with the options that give them."""
    if recipe["command"] != "synthesize":
        return []
    wanted = {"--scar": ("the scar mask", inputs.scar, True)}
    has_intensity = recipe.get("intensity_sha256") is not None
    wanted["--intensity"] = ("the intensity map", inputs.intensity, has_intensity)
    absent = [(what, option) for option, (what, given, needed) in wanted.items() if needed and given is None]
    return [f"{what} ({option})" for what, option in absent]


def make_again(recipe: Mapping[str, Any], inputs: Inputs) -> dict[str, Made]:
    """Make what the recipe made, by name, the main result first. Raises as :func:`check_inputs` does."""
    model = check_inputs(recipe, inputs)
    if recipe["command"] == "smile":
        return _smile(recipe, inputs.study)
    from claimslicer.devices import computing_as

    with computing_as(recipe.get("computed")):
        return _with_networks(recipe, inputs, model)


def _with_networks(recipe: Mapping[str, Any], inputs: Inputs, model: str | Path | None) -> dict[str, Made]:
    if recipe["command"] == "segment":
        from claimslicer.segmentation import segment

        said = {name: recipe["settings"].get(name) for name in ("clean", "phase")}
        found = segment(inputs.study, model=model, device=inputs.device, **said)
        return {"labels": Made(found.labels), "uncertainty": Made(found.uncertainty)}
    if recipe["command"] == "cohort":
        heart = heart_of(inputs.study)
        spec = None if recipe["smile"] is None else ScarSpec.from_dict(recipe["smile"])
        scar, labels = author(heart, spec)
        painted = _synthesize(recipe, inputs, model, scar, None)
        return {**painted, "labels": Made(labels), "scar": Made(scar)}
    assert inputs.scar is not None  # its hash was checked
    return _synthesize(recipe, inputs, model, inputs.scar, inputs.intensity)


def compare(file: Path, made: Mapping[str, Made], geometry: Geometry) -> Comparison:
    """Compare a stored volume with what was made again, each as its file holds it.

    It is compared with that of ``made`` which it is most like.
    """
    stored = read_volume(file)
    suffix = split_suffix(file)[1]
    comparisons = []
    with tempfile.TemporaryDirectory(prefix="claim-reproduce-") as folder:
        for number, (name, volume) in enumerate(made.items()):
            path = write_volume(
                Path(folder) / f"{number}{suffix}", volume.array, geometry, encoding=volume.encoding
            )
            again = read_volume(path)
            if again.image.shape != stored.image.shape or again.image.dtype != stored.image.dtype:
                comparisons.append(Comparison(file, name, stored.image.size, float("nan"), False))
                continue
            different = again.image != stored.image
            largest = np.abs(again.image.astype(float) - stored.image.astype(float)).max()
            same_grid = again.geometry.is_close(stored.geometry, 1e-3)
            comparisons.append(Comparison(file, name, int(different.sum()), float(largest), same_grid))
    return min(comparisons, key=lambda comparison: (not comparison.same_grid, comparison.differing))


def changed_versions(recipe: Mapping[str, Any]) -> list[str]:
    """Return, in words, which packages had other versions when the result was made."""
    then, now = recipe.get("versions") or {}, package_versions()
    return [
        f"{name} was {then.get(name, 'absent')} and is {now.get(name, 'absent')}"
        for name in sorted({*then, *now})
        if then.get(name) != now.get(name)
    ]


def _smile(recipe: Mapping[str, Any], study: Study) -> dict[str, Made]:
    labels = _labels(study)
    options = recipe.get("frame") or {}
    points = options.get("insertions")
    apex_first = options.get("apex_first")
    frame = build_frame(
        labels,
        study.geometry,
        image=study.image,
        insertions=None if points is None else Insertions(_point(points[0]), _point(points[1])),
        rule=options.get("rule", "fixed"),
        apex_first=study.apex_first if apex_first is None else apex_first,
        mirrored=options.get("mirrored", False),
    )
    scar = generate_scar(ScarSpec.from_dict(recipe["settings"]), frame, existing=scar_of_labels(labels))
    return {"mask": Made(scar.labels * scar.added), "intensity": Made(scar.intensity * scar.added)}


def _synthesize(
    recipe: Mapping[str, Any],
    inputs: Inputs,
    model: str | Path | None,
    scar: np.ndarray,
    intensity: np.ndarray | None,
) -> dict[str, Made]:
    """Paint with every setting of the recipe that painting takes; the others were measured, not given."""
    from claimslicer.synthesis import synthesize
    from claimslicer.synthesis.inpaint import synthesize_variants

    taken = set(inspect.signature(synthesize_variants).parameters)
    settings = {name: _as_given(value) for name, value in recipe["settings"].items() if name in taken}
    if inputs.text_encoder is not None:
        settings["text_encoder"] = inputs.text_encoder
    study = inputs.study
    result = synthesize(
        study,
        _labels(study),
        scar,
        **{**settings, "seed": recipe["seed"], "intensity": intensity},
        model=model,
        device=inputs.device,
    )
    made = {"band": Made(result.band), "difference": Made(result.difference)}
    return {"image": Made(result.image, study.encoding), **made}


def _as_given(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value  # JSON has no tuples


def _labels(study: Study) -> np.ndarray:
    if study.labels is None:
        raise StudyError(f"{study.name} comes without labels: give those that the recipe was made with.")
    return study.labels


def _hash(array: np.ndarray | None) -> str | None:
    return None if array is None else sha256_of_array(array)


def _scar_hashes(inputs: Inputs) -> set[str]:
    """Return the hashes that the mask may have in a recipe: as it is, and without scar that the study has."""
    if inputs.scar is None:
        raise SpecificationError("The recipe is of a painted scar: give its mask with --scar.")
    new = np.where(infarct_mask(_labels(inputs.study)), ScarLabel.NONE, inputs.scar)
    return {sha256_of_array(inputs.scar), sha256_of_array(new)}


def _weights(recipe: Mapping[str, Any], given: str | Path | None) -> tuple[str | Path | None, bool]:
    """Return the weights to use, and whether they are those of the recipe. Raises ModelError."""
    from claimslicer.models.registry import list_models, resolve

    kind = KINDS.get(recipe["command"])
    if kind is None:
        return None, True
    wanted = recipe["weights"]
    if given is not None:
        return given, resolve(given, kind).card.sha256 == wanted["sha256"]
    for model in list_models():
        if model.weights.stem == kind and _card_hash(model) == wanted["sha256"]:
            return model.weights, True
    raise ModelError(
        f"The weights {wanted['name']} ({wanted['sha256'][:12]}…) of the recipe are not among the models "
        "here: give them with --model."
    )


def _card_hash(model: Any) -> str | None:
    try:
        return model.card.sha256
    except ModelError:
        return None  # a damaged model of the user's is no reason not to find the right one


def _point(text: str) -> tuple[float, float, float]:
    x, y, z = (float(part) for part in text.split(","))
    return x, y, z
