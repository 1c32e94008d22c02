"""How the SMILE panel shows what is asked for and what came out."""

from __future__ import annotations

from claimslicer.figures.face import empty_face, scar_face
from ClaimSlicerLib.bullseye import BullseyeWidget
from slicer.i18n import tr as _

from SMILEModuleLib.author import Heart, Scar
from SMILEModuleLib.sliders import Amount, SMILEModuleParameterNode, segments_of, shares_of


def show_face(
    bullseye: BullseyeWidget, parameters: SMILEModuleParameterNode, heart: Heart | None, scar: Scar | None
) -> None:
    """Show new and present scar on the bull's-eye, or the bare segments while there is no heart."""
    selected = segments_of(parameters)
    if heart is None:
        bullseye.setFace(empty_face().with_selection(selected))
        return
    new_ml = {} if scar is None else scar.segment_ml
    bullseye.setFace(scar_face(heart.wall_ml, new_ml, heart.existing_ml, selected=selected))


def show_amount(ui, parameters: SMILEModuleParameterNode, segment: int) -> None:
    """Show the one slider of the three that is in use; ``segment`` is the one whose share can be set."""
    amount = parameters.amount
    each = amount is Amount.EACH and segment > 0
    ui.volumeSlider.visible = amount is Amount.MILLILITRES
    ui.percentSlider.visible = amount is Amount.PERCENT
    ui.shareSlider.visible = amount is Amount.EACH
    ui.shareSlider.enabled = each
    ui.amountLabel.text = _("Segment {}:").format(segment) if each else _("New scar:")
    if each:
        ui.shareSlider.blockSignals(True)
        ui.shareSlider.value = shares_of(parameters)[segment]
        ui.shareSlider.blockSignals(False)


def show_result(ui, heart: Heart | None, scar: Scar | None) -> None:
    """Show the scar in words and in numbers."""
    known = heart is not None and scar is not None
    ui.sentenceLabel.text = scar.made.sentence if known else ""
    ui.sentenceLabel.visible = ui.resultLabel.visible = known
    if known:
        ui.resultLabel.text = _(
            "New scar {new:.2f} ml, {share:.1f} % of the LV; MVO {mvo:.2f} ml; "
            "with the present scar {total:.2f} ml"
        ).format(
            new=scar.volume_ml, share=100 * scar.volume_ml / heart.lv_ml, mvo=scar.mvo_ml, total=scar.total_ml
        )
        if scar.remark:
            ui.resultLabel.text += "\n" + scar.remark
