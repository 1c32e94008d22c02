"""nnU-Net's own predictor on a study, in this process."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

import numpy as np
import torch

from claimslicer.labels import Label
from claimslicer.segmentation.nnunet.labels import internal_labels
from claimslicer.segmentation.nnunet.model import NnunetModel
from claimslicer.studies import Geometry, Study

CLASSES = 5
"""Background, cavity, myocardium, infarct and MVO: a right ventricle that a model finds is background."""


def predict(model: NnunetModel, study: Study, device: torch.device) -> tuple[np.ndarray, np.ndarray]:
    """Return ``study``'s labels, uint8 0–4, and probabilities, float32 ``(5, z, y, x)``, as nnU-Net has them.

    Labels are those of ``nnUNetv2_predict``: all folds' mean, mirrored as trained, nothing cleaned.
    """
    with redirect_stdout(io.StringIO()):  # nnU-Net prints, and standard output may be for results
        stored, likely = _predict_stored(model, study, device)
    labels = np.zeros(stored.shape, np.uint8)
    probabilities = np.zeros((CLASSES, *stored.shape), np.float32)
    for value, label in internal_labels(model.dataset).items():
        inside = Label.BACKGROUND if label >= CLASSES else label
        labels[stored == value] = inside
        probabilities[inside] += likely[value]
    return labels, probabilities / probabilities.sum(0)


def _predict_stored(model: NnunetModel, study: Study, device: torch.device) -> tuple[np.ndarray, np.ndarray]:
    """Return the model's own label values ``(z, y, x)`` and probabilities ``(c, z, y, x)``."""
    from nnunetv2.inference.export_prediction import (
        convert_predicted_logits_to_segmentation_with_correct_shape as to_segmentation,
    )
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    from claimslicer.segmentation.nnunet.network import all_names, build_network, manage

    plans, configuration = manage(model.plans, model.configuration)
    network = build_network(model.plans, model.dataset, model.configuration)
    states = [all_names(network, state) for state in model.states.values()]
    predictor = nnUNetPredictor(device=device, perform_everything_on_device=True, allow_tqdm=False)
    predictor.manual_initialization(
        network.to(device).eval(),
        plans,
        configuration,
        states,
        dict(model.dataset),
        model.trainer,
        model.mirroring_axes,
    )
    axes = _Axes(study.geometry, str(plans.plans.get("image_reader_writer")))
    preprocessor = configuration.preprocessor_class(verbose=False)
    image = axes.to_reader(study.image.astype(np.float32))[None]
    properties = {"spacing": axes.spacing}
    data, _, properties = preprocessor.run_case_npy(
        image, None, properties, plans, configuration, dict(model.dataset)
    )
    logits = predictor.predict_logits_from_preprocessed_data(torch.from_numpy(data)).cpu()
    labels, probabilities = to_segmentation(
        logits,
        plans,
        configuration,
        predictor.label_manager,
        properties,
        return_probabilities=True,
        num_threads_torch=torch.get_num_threads(),
    )
    return axes.from_reader(labels), np.stack([axes.from_reader(one) for one in probabilities])


class _Axes:
    """The order in which nnU-Net's reader gives a volume: ours, but for the one that turns it to RAS."""

    def __init__(self, geometry: Geometry, reader: str) -> None:
        from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

        affine = np.eye(4)
        affine[:3, :3] = geometry.matrix
        affine[:2] *= -1  # LPS to NIfTI's RAS
        turned = io_orientation(affine) if reader == "NibabelIOWithReorient" else axcodes2ornt("RAS")
        self._forward = turned
        self._back = ornt_transform(axcodes2ornt("RAS"), turned)
        order = np.argsort(turned[:, 0])
        self.spacing = [float(geometry.spacing[axis]) for axis in order][::-1]

    def to_reader(self, volume: np.ndarray) -> np.ndarray:
        """Turn ``(z, y, x)`` into the reader's order."""
        return self._turn(volume, self._forward)

    def from_reader(self, volume: np.ndarray) -> np.ndarray:
        """Turn the reader's order back into ``(z, y, x)``."""
        return self._turn(volume, self._back)

    @staticmethod
    def _turn(volume: np.ndarray, orientation: np.ndarray) -> np.ndarray:
        from nibabel.orientations import apply_orientation

        return np.ascontiguousarray(apply_orientation(volume.T, orientation).T)
