"""Sample studies: phantoms that are made on this computer when they are asked for; nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable

import slicer
from claimslicer.errors import Cancelled
from claimslicer.worker.messages import study_from
from slicer.i18n import tr as _

from ClaimSlicerLib.made import mark_made
from ClaimSlicerLib.mrml import add_segmentation, add_volume
from ClaimSlicerLib.overlays import outline
from ClaimSlicerLib.segments import LABEL_STYLES
from ClaimSlicerLib.views import show_volume
from ClaimSlicerLib.worker import geometry_worker

CATEGORY = "CLAIM"

OnLoaded = Callable[[slicer.vtkMRMLScalarVolumeNode, slicer.vtkMRMLSegmentationNode], None]


def register() -> None:
    """Offer the sample studies in Slicer's module Sample Data."""
    import SampleData
    from claimslicer.studies.phantom.samples import SAMPLES

    for name, sample in SAMPLES.items():
        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category=CATEGORY,
            sampleName=sample.title,
            # Sample Data wants a place and a file name; our own loader looks at neither.
            uris=f"claim-slicer:phantom/{name}",
            fileNames=f"{name}.nrrd",
            nodeNames=sample.title,
            customDownloader=lambda _source, name=name: load_sample(name),
        )


def load_sample(name: str, on_loaded: OnLoaded | None = None) -> None:
    """Let the worker make sample study ``name``; image and labels come into the scene when it is ready.

    A scene that is closed meanwhile stays empty.
    """
    scene = slicer.mrmlScene

    def done(result: dict | None, error: Exception | None) -> None:
        scene.RemoveObserver(tag)
        if isinstance(error, Cancelled):
            return
        with slicer.util.tryWithErrorDisplay(_("The sample study could not be made.")):
            if error is not None:
                raise error
            volume, labels = add_sample(name, result)
            show_volume(volume)
            if on_loaded is not None:
                on_loaded(volume, labels)

    job = geometry_worker().request("sample", {"name": name}, done)
    tag = scene.AddObserver(scene.StartCloseEvent, lambda *_: job.cancel())


def add_sample(
    name: str, result: dict
) -> tuple[slicer.vtkMRMLScalarVolumeNode, slicer.vtkMRMLSegmentationNode]:
    """Add what the task ``sample`` made to the scene."""
    from claimslicer.studies.phantom.samples import SAMPLES

    study, title = study_from(result["study"]), SAMPLES[name].title
    volume = add_volume(study.image, study.geometry, title, synthetic=True)
    labels = add_segmentation(study.labels, volume, _("LV labels of {name}").format(name=title), LABEL_STYLES)
    mark_made(volume, "sample", volume)
    mark_made(labels, "labels", volume)
    outline(labels)
    return volume, labels
