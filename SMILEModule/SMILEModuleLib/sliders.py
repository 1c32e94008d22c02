"""What the SMILE panel's widgets hold, to a scar specification and back."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Annotated, Union

import slicer
from claimslicer.errors import SpecificationError
from claimslicer.smile import ScarSpec, Texture
from ClaimSlicerLib.labelled import LabelledEnum
from ClaimSlicerLib.rule import Rule
from slicer import (
    vtkMRMLLabelMapVolumeNode,
    vtkMRMLMarkupsFiducialNode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
)
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Default, FloatRange, RangeBounds, WithinRange, parameterNodeWrapper

SEED_LIMIT = 2**31 - 1
"""The largest number that Qt's spin box holds."""


class Pattern(LabelledEnum):
    """The library's scar patterns."""

    ISCHAEMIC = "ischaemic", _("Ischaemic, subendocardial")
    MID_WALL = "mid-wall", _("Mid-wall")
    SUBEPICARDIAL = "subepicardial", _("Subepicardial")
    PATCHY = "patchy", _("Patchy")
    CLAIM = "claim", _("As in the CLAIM paper")


class Amount(LabelledEnum):
    """How the user says how much scar is wanted."""

    MILLILITRES = "ml", _("ml in all")
    PERCENT = "percent", _("% of the segments together")
    EACH = "each", _("% of each segment")


@parameterNodeWrapper
class SMILEModuleParameterNode:
    """What the panel holds, kept in the scene."""

    volume: vtkMRMLScalarVolumeNode
    labels: Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    insertions: vtkMRMLMarkupsFiducialNode
    rule: Rule
    scar: Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    live: bool = True
    segments: str = ""
    # Unlike millilitres, a share fits whatever segment is clicked first.
    amount: Amount = Amount.PERCENT
    volumeMl: Annotated[float, WithinRange(0.05, 200.0)] = 8.0  # noqa: N815
    percent: Annotated[float, WithinRange(0.5, 100.0)] = 40.0
    shares: str = "{}"
    depth: Annotated[FloatRange, RangeBounds(0.0, 100.0), Default(FloatRange(0.0, 100.0))]
    pattern: Pattern
    mvoPercent: Annotated[float, WithinRange(0.0, 100.0)] = 0.0  # noqa: N815
    borderMm: Annotated[float, WithinRange(0.0, 20.0)] = 2.0  # noqa: N815
    anisotropy: Annotated[float, WithinRange(0.1, 20.0)] = 2.0
    porosityPercent: Annotated[float, WithinRange(0.0, 100.0)] = 10.0  # noqa: N815
    grainMm: Annotated[float, WithinRange(1.0, 60.0)] = 8.0  # noqa: N815
    seed: Annotated[int, WithinRange(0, SEED_LIMIT)] = 1


def segments_of(parameters: SMILEModuleParameterNode) -> frozenset[int]:
    """Return the chosen AHA segments."""
    return frozenset(int(number) for number in re.findall(r"\d+", parameters.segments))


def choose(parameters: SMILEModuleParameterNode, segments: Collection[int]) -> None:
    """Choose other AHA segments."""
    parameters.segments = ", ".join(str(number) for number in sorted(segments))


def shares_of(parameters: SMILEModuleParameterNode) -> dict[int, float]:
    """Return the percentage of each chosen segment; one that wasn't set has the common percentage."""
    given = {int(number): share for number, share in json.loads(parameters.shares).items()}
    return {number: given.get(number, parameters.percent) for number in sorted(segments_of(parameters))}


def set_share(parameters: SMILEModuleParameterNode, segment: int, percent: float) -> None:
    """Ask for another percentage of one segment, cut off to what a segment can hold."""
    low, high = 0.5, 100.0
    shares = {**shares_of(parameters), segment: round(min(max(percent, low), high), 1)}
    parameters.shares = json.dumps(shares)


def spec_of(parameters: SMILEModuleParameterNode) -> ScarSpec:
    """Return what the widgets ask for. Raises SpecificationError for what makes no sense."""
    segments = segments_of(parameters)
    if not segments:
        raise SpecificationError(_("Choose at least one segment on the bull's-eye."))
    amount = {
        Amount.MILLILITRES: lambda: {"volume_ml": parameters.volumeMl},
        Amount.PERCENT: lambda: {"percent": parameters.percent},
        Amount.EACH: lambda: {"percent": shares_of(parameters)},
    }[parameters.amount]()
    return ScarSpec(
        segments=tuple(segments),
        transmurality=(parameters.depth.minimum / 100.0, parameters.depth.maximum / 100.0),
        pattern=parameters.pattern.value,
        texture=Texture(parameters.anisotropy, parameters.porosityPercent / 100.0, parameters.grainMm),
        border_zone_mm=parameters.borderMm,
        mvo_fraction=parameters.mvoPercent / 100.0,
        seed=parameters.seed,
        **amount,
    )


def show_spec(parameters: SMILEModuleParameterNode, spec: ScarSpec) -> None:
    """Let the widgets show ``spec``, to the digits that they have.

    Raises SpecificationError for a specification beyond their ranges; then nothing is changed.
    """
    values = {
        "segments": ", ".join(map(str, spec.segments)),
        "pattern": Pattern(spec.pattern),
        "mvoPercent": round(100.0 * spec.mvo_fraction, 1),
        "borderMm": round(spec.border_zone_mm, 1),
        "anisotropy": round(spec.texture.anisotropy, 1),
        "porosityPercent": round(100.0 * spec.texture.porosity, 1),
        "grainMm": round(spec.texture.grain_mm, 1),
        "seed": spec.seed,
        **_amount_values(spec),
    }
    _refuse_beyond(values)
    with slicer.util.NodeModify(parameters.parameterNode):
        for name, value in values.items():
            setattr(parameters, name, value)
        parameters.depth = FloatRange(*(round(100.0 * end, 1) for end in spec.transmurality))


def _amount_values(spec: ScarSpec) -> dict[str, object]:
    if isinstance(spec.percent, Mapping):
        shares = {number: round(share, 1) for number, share in spec.percent.items()}
        return {"amount": Amount.EACH, "shares": json.dumps(shares)}
    if spec.percent is not None:
        return {"amount": Amount.PERCENT, "percent": round(spec.percent, 1)}
    return {"amount": Amount.MILLILITRES, "volumeMl": round(spec.volume_ml, 2)}


_LIMITS = {
    "volumeMl": (_("volume in ml"), 0.05, 200.0),
    "percent": (_("percentage"), 0.5, 100.0),
    "borderMm": (_("border zone in mm"), 0.0, 20.0),
    "seed": (_("seed"), 0, SEED_LIMIT),
}
"""Where the widgets hold less than a specification may ask for."""


def _refuse_beyond(values: Mapping[str, object]) -> None:
    for name, (words, low, high) in _LIMITS.items():
        if name in values and not low <= values[name] <= high:
            raise SpecificationError(
                _("This panel takes a {words} from {low:g} to {high:g}, not {value:g}.").format(
                    words=words, low=low, high=high, value=values[name]
                )
            )
