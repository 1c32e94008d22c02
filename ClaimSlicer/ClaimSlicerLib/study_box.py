"""The panel's box Study: sample data, and labels found automatically."""

from __future__ import annotations

import qt
import slicer
from claimslicer.errors import StudyError
from claimslicer.labels import ventricle_mask
from claimslicer.worker.messages import study_values
from slicer.i18n import tr as _

from ClaimSlicerLib.heart_views import show_heart
from ClaimSlicerLib.job import JobDisplay
from ClaimSlicerLib.made import mark_made
from ClaimSlicerLib.mrml import add_segmentation, volume_study
from ClaimSlicerLib.overlays import outline
from ClaimSlicerLib.sample_data import load_sample
from ClaimSlicerLib.segments import LABEL_STYLES
from ClaimSlicerLib.worker import model_worker


class StudyBox:
    """Fills the parameters ``volume`` and ``labels``; ``ui`` holds the panel's widgets."""

    def __init__(self, ui) -> None:
        self.ui = ui
        self._parameters = None
        self.job = JobDisplay(ui.findProgress, ui.findCancelButton, ui.studyLabel, self._show)
        self._menu = self._sample_menu()
        ui.sampleButton.setMenu(self._menu)
        ui.findLabelsButton.clicked.connect(self._find_labels)

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
