"""The queue over a folder of studies: its table, stepping through it, segmenting all beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import qt
import slicer
from claimslicer.errors import Cancelled, StudyError
from claimslicer.review import FoundStudy, Review, ReviewQueue, StudyRecord
from claimslicer.review.queue import default_output
from ClaimSlicerLib.job import JobDisplay
from ClaimSlicerLib.packages import ensure_packages
from ClaimSlicerLib.worker import Job, Worker, WorkerError, geometry_worker, model_worker
from slicer.i18n import tr as _

from SegmentationModuleLib import studies
from SegmentationModuleLib.tables import DASH, fill


class QueueBox:
    """The studies of a folder; ``panel`` has the ``.ui``'s widgets and the parameter node."""

    def __init__(self, panel) -> None:
        self._panel = panel
        self._ui = ui = panel.ui
        self.queue: ReviewQueue | None = None
        self._batch: Batch | None = None
        self._looked_in = ""
        self.job = JobDisplay(ui.queueBar, ui.queueCancelButton, ui.queueText, self.show)
        ui.queueCancelButton.clicked.connect(self._stop_batch)
        ui.studiesFolderButton.clicked.connect(lambda *_: self._choose("studiesFolder"))
        ui.resultsFolderButton.clicked.connect(lambda *_: self._choose("resultsFolder"))
        ui.findButton.clicked.connect(self._find)
        ui.queueButton.contentsCollapsed.connect(lambda collapsed: None if collapsed else self.resume())
        ui.queueTable.cellDoubleClicked.connect(lambda *_: self._open(self._selected()))
        ui.queueTable.itemSelectionChanged.connect(self._enable)
        ui.reviewButton.clicked.connect(lambda *_: self._open(self._selected()))
        ui.nextButton.clicked.connect(lambda *_: self._step(1))
        ui.previousButton.clicked.connect(lambda *_: self._step(-1))
        ui.segmentAllButton.clicked.connect(self._segment_all)
        self.show()

    @property
    def busy(self) -> bool:
        """Whether a job of the queue goes on."""
        return self.job.running or self._batch is not None

    def stop(self) -> None:
        """End what runs and forget the studies; what is on disk stays."""
        self._stop_batch()
        self.job.cancel()
        self.queue = None
        self._looked_in = ""
        self.show()

    def resume(self) -> None:
        """Find the studies of the folder that a scene has brought; once, as the folder may be gone."""
        parameters = self._panel.parameters
        if parameters is None or self.queue is not None or self.busy:
            return
        folder = parameters.studiesFolder
        if not folder or folder == self._looked_in:
            return
        self._looked_in = folder
        if Path(folder).is_dir():
            self._find()
        else:
            self._ui.queueText.text = _("There is no folder {folder} here.").format(folder=folder)

    def decided(self, labels: slicer.vtkMRMLNode) -> None:
        """Keep a decision about the labels of one of the queue's studies on disk as well."""
        if self.queue is not None and studies.key_of(labels, self.queue):
            self._store(labels, lambda: None)

    def show(self) -> None:
        """Show the studies and what became of them."""
        records = () if self.queue is None else self.queue.records
        chosen = self._ui.queueTable.currentRow()
        rows = [[r.name, _state(r), DASH if r.infarct_ml is None else f"{r.infarct_ml:.1f}"] for r in records]
        fill(self._ui.queueTable, [_("Study"), _("State"), _("Infarct ml")], rows)
        for y, record in enumerate(records):
            said = (record.problem, record.warning, record.review.remark)
            self._ui.queueTable.item(y, 1).setToolTip("\n".join(text for text in said if text))
        if 0 <= chosen < len(records):
            self._ui.queueTable.selectRow(chosen)
        self._enable()

    def _enable(self, *_args) -> None:
        key, ready = self._current(), self.queue is not None and not self.job.running
        ui = self._ui
        ui.findButton.enabled = not self.busy
        ui.reviewButton.enabled = ready and bool(self._selected())
        ui.nextButton.enabled = ready and self.queue.neighbour(key, 1) is not None
        ui.previousButton.enabled = ready and bool(key) and self.queue.neighbour(key, -1) is not None
        ui.segmentAllButton.enabled = ready and not self.busy and bool(self.queue.unsegmented())

    def _choose(self, parameter: str) -> None:
        folder = qt.QFileDialog.getExistingDirectory(self._panel.parent, _("Choose a folder"))
        if folder:
            setattr(self._panel.parameters, parameter, folder)

    def _find(self, *_args) -> None:
        with slicer.util.tryWithErrorDisplay(_("The studies could not be listed.")):
            parameters = self._panel.parameters
            self._looked_in = parameters.studiesFolder
            if not parameters.studiesFolder:
                raise StudyError(_("Choose the folder of studies first."))
            folder = Path(parameters.studiesFolder)
            output = Path(parameters.resultsFolder or default_output(folder))

            def listed(result: dict) -> str:
                found = [FoundStudy(**study) for study in result["studies"]]
                self.queue = ReviewQueue(folder, output, found)
                waiting = len(self.queue.unsegmented())
                return _("{count} studies, {waiting} not segmented here yet. Results: {folder}").format(
                    count=len(found), waiting=waiting, folder=output
                )

            self.job.start(geometry_worker(), "list_studies", {"folder": str(folder)}, listed)

    def _selected(self) -> str:
        row = self._ui.queueTable.currentRow()
        return self.queue.records[row].key if self.queue and 0 <= row < len(self.queue.records) else ""

    def _current(self) -> str:
        parameters = self._panel.parameters
        if parameters is None or self.queue is None or parameters.volume is None:
            return ""
        return studies.key_of(parameters.volume, self.queue)

    # One study after the other

    def _step(self, step: int) -> None:
        key = self.queue.neighbour(self._current(), step)
        if key is not None:
            self._open(key)

    def _open(self, key: str) -> None:
        if not key or self.job.running:
            return
        with slicer.util.tryWithErrorDisplay(_("The study could not be opened.")):
            ensure_packages()
            labels = self._panel.parameters.labels
            mine = labels is not None and studies.key_of(labels, self.queue)
            if mine and studies.is_changed(labels, self.queue):
                self._store(labels, lambda: self._read(key))
            else:
                self._read(key)

    def _read(self, key: str) -> None:
        record, queue = self.queue[key], self.queue
        files = {
            name: str(queue.output / file) if file else None
            for name, file in (("labels", record.labels), ("uncertainty", record.uncertainty))
        }

        def arrived(result: dict) -> str:
            studies.replace_study(self._panel.logic.getParameterNode(), queue, key, result)
            self._ui.queueTable.selectRow([r.key for r in queue.records].index(key))
            opened = _("Opened {name}.").format(name=record.name)
            note = result["study"]["metadata"].get("note", "")
            self._ui.queueText.toolTip = "\n".join(result["words"])
            return " ".join(filter(None, (opened, note, record.warning)))

        path = str(queue.path(key))
        self.job.start(geometry_worker(), "read_study", {"path": path, **files}, arrived)

    def _store(self, labels: slicer.vtkMRMLNode, then) -> None:
        """Write the labels where they have changed, then their record, then go on with ``then``."""
        queue = self.queue
        arguments, record = studies.to_store(labels, queue)
        if arguments is None:
            queue.put(record)
            self.show()
            then()
            return
        ensure_packages()

        def written(result: dict) -> str:
            queue.put(studies.stored(labels, queue, record, result))
            qt.QTimer.singleShot(0, then)
            return _("Kept {name}.").format(name=record.name)

        self.job.start(geometry_worker(), "write_labels", arguments, written)

    # All studies

    def _segment_all(self, *_args) -> None:
        with slicer.util.tryWithErrorDisplay(_("The studies can't be segmented.")):
            worker = model_worker()
            parameters = self._panel.parameters
            options = {"model": parameters.model or None, "device": parameters.device}
            self._batch = Batch(worker, self.queue, options, self._batch_moved, self._batch_ended)
            self._ui.queueBar.visible = self._ui.queueCancelButton.visible = True
            self._ui.queueCancelButton.enabled = True
            self._ui.queueBar.maximum = 100
            self._batch.next()
            self.show()

    def _batch_moved(self, fraction: float, text: str) -> None:
        self._ui.queueBar.value = round(100 * fraction)
        self._ui.queueText.text = text
        if not text.endswith("…"):
            return
        self.show()

    def _batch_ended(self, text: str, error: Exception | None) -> None:
        self._batch = None
        self._ui.queueBar.visible = self._ui.queueCancelButton.visible = self.job.running
        self._ui.queueText.text = text
        self.show()
        if error is not None:
            with slicer.util.tryWithErrorDisplay(_("Segmenting the studies was stopped.")):
                raise error

    def _stop_batch(self, *_args) -> None:
        if self._batch is not None:
            self._batch.cancel()


def _state(record: StudyRecord) -> str:
    return f"⚠ {_(record.status)}" if record.warning else _(record.status)


class Batch:
    """Segments the studies that wait, one request after the other; a bad study is noted and passed over."""

    def __init__(self, worker: Worker, queue: ReviewQueue, options: dict, on_progress, on_end) -> None:
        self._worker = worker
        self._queue = queue
        self._options = options
        self._on_progress = on_progress
        self._on_end = on_end
        self._keys = queue.unsegmented()
        self._count = len(self._keys)
        self._failures = 0
        self._warnings = 0
        self._crashes = 0
        self._job: Job | None = None

    def cancel(self) -> None:
        """Stop; studies that are done stay done."""
        self._keys = []
        if self._job is not None:
            self._job.cancel()

    def next(self) -> None:
        """Ask for the next study, or end."""
        if not self._keys:
            self._on_end(self._summary(), None)
            return
        key = self._keys.pop(0)
        number = self._count - len(self._keys)
        name = self._queue[key].name

        def progress(fraction: float, message: str) -> None:
            text = _("{number} of {count}: {name}, {message}")
            text = text.format(number=number, count=self._count, name=name, message=message)
            self._on_progress((number - 1 + fraction) / self._count, text)

        arguments = {
            "path": str(self._queue.path(key)),
            "labels": str(self._queue.result_file(key, "labels")),
            "uncertainty": str(self._queue.result_file(key, "uncertainty")),
            **self._options,
        }
        self._on_progress((number - 1) / self._count, f"{number} of {self._count}: {name}…")
        self._job = self._worker.request(
            "segment_file", arguments, lambda result, error: self._done(key, result, error), progress
        )

    def _done(self, key: str, result: dict | None, error: Exception | None) -> None:
        self._job = None
        if isinstance(error, Cancelled):
            self._on_end(_("Stopped; what is done stays."), None)
            return
        try:
            self._record(key, result, error)
        except Exception as failure:
            self._on_end(str(failure).partition("\n")[0], failure)
            return
        self.next()

    def _summary(self) -> str:
        told = [
            _("{count} studies could not be segmented; their state says why.").format(count=self._failures)
            if self._failures
            else _("All studies are segmented.")
        ]
        if self._warnings:
            told.append(_("⚠ Doubtful: {count}; the state says why.").format(count=self._warnings))
        return " ".join(told)

    def _record(self, key: str, result: dict | None, error: Exception | None) -> None:
        record = self._queue[key]
        if error is None:
            self._crashes = 0
            self._warnings += bool(result["warning"])
            self._queue.put(studies.segmented(self._queue, record, result))
            return
        # A study's own fault is noted; what would fail for every study ends the work.
        self._crashes += isinstance(error, WorkerError)
        if not isinstance(error, (StudyError, WorkerError)) or self._crashes > 1:
            raise error
        self._failures += 1
        self._queue.put(replace(record, problem=str(error).partition("\n")[0], review=Review()))
