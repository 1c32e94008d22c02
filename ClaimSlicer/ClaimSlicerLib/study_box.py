"""The panel's box Study: sample data, and labels found automatically."""

from __future__ import annotations

import qt
import slicer
from claimslicer.errors import StudyError
from claimslicer.labels import ventricle_mask
from claimslicer.worker.messages import study_from, study_values
from slicer.i18n import tr as _

from ClaimSlicerLib.heart_views import show_heart
from ClaimSlicerLib.job import JobDisplay
from ClaimSlicerLib.made import mark_made
from ClaimSlicerLib.mrml import add_segmentation, add_volume, show_like, volume_study
from ClaimSlicerLib.overlays import outline
from ClaimSlicerLib.sample_data import load_sample
from ClaimSlicerLib.segments import LABEL_STYLES
from ClaimSlicerLib.worker import geometry_worker, model_worker


class StudyBox:
    """Fills the parameters ``volume`` and ``labels``; ``ui`` holds the panel's widgets."""

    def __init__(self, ui) -> None:
        self.ui = ui
        self._parameters = None
        self.job = JobDisplay(ui.findProgress, ui.findCancelButton, ui.studyLabel, self._show)
        self._menu = self._sample_menu()
        ui.sampleButton.setMenu(self._menu)
        ui.findLabelsButton.clicked.connect(self._find_labels)
        ui.reformatButton.clicked.connect(self._reformat)

    def _sample_menu(self) -> qt.QMenu:
        from claimslicer.studies.phantom.samples import SAMPLES

        menu = qt.QMenu(self.ui.sampleButton)
        menu.toolTipsVisible = True
        for name, sample in SAMPLES.items():
            action = menu.addAction(sample.title)
            action.toolTip = sample.description
            action.triggered.connect(lambda *_args, name=name: self._load(name))
        return menu

    def follow(self, parameters) -> None:
        """Show what ``parameters`` allow, the panel's parameter node or None."""
        self._parameters = parameters
        self._show()

    def stop(self) -> None:
        """End what runs."""
        self.job.cancel()

    def _show(self) -> None:
        has_volume = self._parameters is not None and self._parameters.volume is not None
        self.ui.findLabelsButton.enabled = has_volume and not self.job.running
        self.ui.reformatButton.enabled = has_volume and not self.job.running
        self.ui.findRow.visible = self.job.running
        self.ui.studyLabel.visible = bool(self.ui.studyLabel.text)

    def _load(self, name: str) -> None:
        load_sample(name, self._loaded)

    def _loaded(self, volume: slicer.vtkMRMLScalarVolumeNode, labels: slicer.vtkMRMLSegmentationNode) -> None:
        if self._parameters is not None:
            with slicer.util.NodeModify(self._parameters.parameterNode):
                self._parameters.volume = volume
                self._parameters.labels = labels

    def _find_labels(self, *_args) -> None:
        """Let the network label the volume; the labels are chosen when they come."""
        with slicer.util.tryWithErrorDisplay(_("The labels could not be found.")):
            volume = self._parameters.volume
            arguments = {"study": study_values(volume_study(volume))}
            node_id = volume.GetID()
            self.job.start(model_worker(), "segment", arguments, lambda result: self._found(node_id, result))

    def _found(self, node_id: str, result: dict) -> str:
        volume = slicer.mrmlScene.GetNodeByID(node_id)
        if volume is None:
            raise StudyError(_("The volume was removed while its labels were looked for: load it again."))
        name = _("LV labels of {name} (automatic)").format(name=volume.GetName())
        labels = result["labels"]
        node = add_segmentation(labels, volume, name, LABEL_STYLES)
        mark_made(node, "labels", volume)
        outline(node)
        show_heart(volume, ventricle_mask(labels))
        if self._parameters is not None and self._parameters.volume is volume:
            self._parameters.labels = node
        found = _("Found by the network: check the outlines before you rely on them.")
        return f"{found} {result['warning']}".rstrip()

    def _reformat(self, *_args) -> None:
        """Make a short-axis stack of a scan in another orientation, and choose it with its labels."""
        with slicer.util.tryWithErrorDisplay(_("No short axis could be made.")):
            volume, labels = self._parameters.volume, self._parameters.labels
            arguments = {"study": study_values(volume_study(volume, labels))}
            node_id = volume.GetID()
            # Labels tell the axis; only without them are the networks asked.
            worker = model_worker() if labels is None else geometry_worker()
            self.job.start(worker, "reformat", arguments, lambda result: self._made(node_id, result))

    def _made(self, node_id: str, result: dict) -> str:
        before = slicer.mrmlScene.GetNodeByID(node_id)
        if before is None:
            raise StudyError(_("The volume was removed while its short axis was made: load it again."))
        stack = study_from(result["study"])
        name = _("{name} (short axis)").format(name=before.GetName())
        volume = add_volume(stack.image, stack.geometry, name, synthetic=stack.synthetic)
        mark_made(volume, "short axis", before)
        show_like(volume, before)
        labels = None
        if stack.labels is not None:
            title = _("LV labels of {name}").format(name=volume.GetName())
            labels = add_segmentation(stack.labels, volume, title, LABEL_STYLES)
            mark_made(labels, "labels", volume)
            outline(labels)
        if self._parameters is not None and self._parameters.volume is before:
            self._loaded(volume, labels)
        if labels is not None:
            show_heart(volume, ventricle_mask(stack.labels))
        return result["note"]
