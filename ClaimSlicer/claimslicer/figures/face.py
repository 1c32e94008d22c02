"""What a bull's-eye shows: fill, text and tip of each segment, and the scale; no window, no matplotlib.

A face is made here from numbers. The panels' widget and the report's figure draw the same face over the same
geometry (:mod:`claimslicer.figures.bullseye`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from claimslicer.anatomy.aha import SEGMENTS
from claimslicer.figures.palette import CLASS_COLOURS, DIFFERENCE_COLOURS, RGB, aha_colour, blend, rgb

SegmentValues = Mapping[int, float | None]
"""A number for each AHA segment; segments that are missing, None or NaN are shown as not measured."""

DASH = "–"


@dataclass(frozen=True)
class Scale:
    """The legend of a face's colours.

    ``colours`` run from left to right: blended where ``smooth``, in equal boxes where not. ``ticks`` are
    (place from 0 to 1, text).
    """

    colours: tuple[str, ...]
    ticks: tuple[tuple[float, str], ...]
    label: str
    smooth: bool = True
    hatch_label: str = ""
    """What hatched segments mean; empty where none is hatched."""

    def colour_at(self, place: float) -> RGB:
        """Return the colour at ``place`` (0–1)."""
        if self.smooth:
            return blend(self.colours, place)
        return rgb(self.colours[min(int(place * len(self.colours)), len(self.colours) - 1)])


@dataclass(frozen=True)
class Face:
    """What is drawn in and about the 17 segments; a segment without a colour was not measured.

    ``texts`` stand large in the segments, ``notes`` small under them. ``hatched`` segments carry stripes,
    ``outlined`` ones a dashed border.
    """

    colours: Mapping[int, RGB]
    texts: Mapping[int, str] = field(default_factory=dict)
    tips: Mapping[int, str] = field(default_factory=dict)
    notes: Mapping[int, str] = field(default_factory=dict)
    selected: frozenset[int] = frozenset()
    outlined: frozenset[int] = frozenset()
    hatched: frozenset[int] = frozenset()
    title: str = ""
    subtitle: str = ""
    scale: Scale | None = None

    def with_selection(self, selected: Collection[int]) -> Face:
        """Return the same face with other segments selected."""
        return replace(self, selected=frozenset(selected))


def full_name(number: int) -> str:
    """Return a segment's number, name and coronary territory: "5 basal inferolateral · LCX"."""
    segment = SEGMENTS[number]
    return f"{number} {segment.name} · {segment.territory}"


def empty_face(title: str = "") -> Face:
    """Return a face on which nothing is measured yet."""
    return Face({}, tips={k: full_name(k) for k in SEGMENTS}, title=title)


def segments_face(
    volumes_ml: SegmentValues | None = None,
    existing_ml: SegmentValues | None = None,
    *,
    selected: Collection[int] = (),
    outlined: Collection[int] = (),
    title: str = "",
) -> Face:
    """Show the 17 segments in the colours of the AHA model, and in each the wall's ml where they are known.

    Segments that a study doesn't show (0 ml) are grey; those whose labels hold scar, ``existing_ml``, are
    striped, and their tips say how much.
    """
    wall = _measured(volumes_ml or {})
    shown = [k for k in SEGMENTS if volumes_ml is None or wall.get(k)]
    scar = {k: ml for k, ml in _measured(existing_ml or {}).items() if k in shown and ml > 0}
    tips = {k: full_name(k) for k in SEGMENTS}
    if volumes_ml is not None:
        tips = {k: _scar_tip(k, wall.get(k, 0.0), 0.0, scar.get(k, 0.0)) for k in SEGMENTS}
    return Face(
        colours={k: aha_colour(k) for k in shown},
        texts={k: _millilitres(wall[k]) for k in shown if k in wall},
        tips=tips,
        selected=frozenset(selected),
        outlined=frozenset(outlined),
        hatched=frozenset(scar),
        title=title,
    )


def volume_face(
    values: SegmentValues,
    *,
    title: str = "Infarct volume",
    quantity: str = "Infarct per segment",
    unit: str = "ml",
    maximum: float | None = None,
    decimals: int = 1,
) -> Face:
    """Show an amount per segment on a scale from 0 to ``maximum``.

    ``maximum`` defaults to the largest value, but no less than 1, so that traces look like traces; give it to
    put several bull's-eyes on one scale.
    """
    numbers = _measured(values)
    top = maximum or round_up(max([*numbers.values(), 1.0]))
    total = f"Sum of the segments: {sum(numbers.values()):.{decimals}f} {unit}" if numbers else "Not measured"
    scale = Scale(CLASS_COLOURS, _even_ticks(0.0, top, _plain), f"{quantity} ({unit})")
    return _filled(
        numbers,
        scale,
        lambda v: v / top,
        lambda v: f"{v:.{decimals}f}" if v else "0",
        lambda v: f"{quantity.removesuffix(' per segment')} {v:.{max(decimals, 2)}f} {unit}",
        title=title,
        subtitle=total,
    )


def difference_face(
    values: SegmentValues,
    *,
    title: str = "Difference of infarct volume",
    quantity: str = "Measured − reference per segment",
    unit: str = "ml",
    limit: float | None = None,
    decimals: int = 1,
) -> Face:
    """Show a signed difference per segment on a diverging scale from −``limit`` to ``limit``.

    ``limit`` defaults to the largest absolute difference, but no less than 1, so that traces stay pale.
    """
    numbers = _measured(values)
    reach = limit or round_up(max([*(abs(v) for v in numbers.values()), 1.0]))
    total = (
        f"Sum of the segments: {signed(sum(numbers.values()), decimals)} {unit}"
        if numbers
        else "Not measured"
    )
    ticks = _even_ticks(-reach, reach, lambda v: signed(v, 1) if v else "0")
    return _filled(
        numbers,
        Scale(DIFFERENCE_COLOURS, ticks, f"{quantity} ({unit})"),
        lambda v: (v + reach) / (2.0 * reach),
        lambda v: signed(v, decimals),
        lambda v: f"Difference {signed(v, max(decimals, 2))} {unit}",
        title=title,
        subtitle=total,
    )


def transmurality_face(values: SegmentValues, *, title: str = "Transmurality") -> Face:
    """Show transmurality (0–1 for each segment) in its five classes, with the percentage in each segment."""
    from claimslicer.quantification import TRANSMURALITY_CLASSES as CLASSES
    from claimslicer.quantification import transmurality_class

    count = len(CLASSES)
    ticks = tuple(((k + 0.5) / count, name) for k, name in enumerate(CLASSES))
    return _filled(
        _measured(values),
        Scale(CLASS_COLOURS, ticks, "Infarct thickness ÷ wall thickness (%)", smooth=False),
        lambda v: (CLASSES.index(transmurality_class(v) or CLASSES[0]) + 0.5) / count,
        _percent,
        lambda v: f"Transmurality {_percent(v)} %",
        title=title,
        subtitle="Mean over each segment's wall chords",
    )


def scar_face(
    wall_ml: Mapping[int, float],
    new_ml: Mapping[int, float],
    existing_ml: Mapping[int, float],
    *,
    selected: Collection[int] = (),
    title: str = "",
) -> Face:
    """Show the scar that is asked for and the scar that is there, for authoring.

    Fill and text are the new scar (share of the segment's wall, and ml); stripes and the note are the scar
    that the labels already hold. Segments that the study doesn't show are grey.
    """
    shown = [k for k in SEGMENTS if wall_ml.get(k)]
    new = {k: new_ml.get(k, 0.0) for k in shown}
    there = {k: ml for k in shown if (ml := existing_ml.get(k, 0.0)) > 0}
    scale = Scale(
        CLASS_COLOURS,
        _even_ticks(0.0, 100.0, _plain),
        "New scar, % of the segment",
        hatch_label="Scar there already" if there else "",
    )
    return Face(
        colours={k: scale.colour_at(new[k] / wall_ml[k]) for k in shown},
        texts={k: _millilitres(ml) for k, ml in new.items() if ml > 0},
        notes={k: f"+{_millilitres(ml)}".replace("+<", "<") for k, ml in there.items()},
        tips={k: _scar_tip(k, wall_ml.get(k, 0.0), new.get(k, 0.0), there.get(k, 0.0)) for k in SEGMENTS},
        selected=frozenset(selected),
        hatched=frozenset(there),
        title=title,
        scale=scale,
    )


def _scar_tip(number: int, wall: float, new: float, there: float) -> str:
    if not wall:
        return f"{full_name(number)}\nNot in this study"
    lines = [full_name(number), f"Wall {wall:.1f} ml"]
    if new:
        lines.append(f"New scar {new:.2f} ml, {100 * new / wall:.0f} %")
    lines.append(f"Present scar {there:.2f} ml, {100 * there / wall:.0f} %" if there else "No present scar")
    return "\n".join(lines)


def _filled(
    numbers: Mapping[int, float],
    scale: Scale,
    to_place: Callable[[float], float],
    to_text: Callable[[float], str],
    to_tip: Callable[[float], str],
    *,
    title: str,
    subtitle: str,
) -> Face:
    tips = {k: f"{full_name(k)}\n{to_tip(numbers[k]) if k in numbers else 'Not measured'}" for k in SEGMENTS}
    return Face(
        colours={k: scale.colour_at(to_place(v)) for k, v in numbers.items()},
        texts={k: to_text(numbers[k]) if k in numbers else DASH for k in SEGMENTS},
        tips=tips,
        title=title,
        subtitle=subtitle,
        scale=scale,
    )


def _measured(values: SegmentValues) -> dict[int, float]:
    return {k: float(v) for k, v in values.items() if v is not None and not math.isnan(v)}


def _even_ticks(low: float, high: float, to_text: Callable[[float], str]) -> tuple[tuple[float, str], ...]:
    """Return five marks from ``low`` to ``high``."""
    return tuple((k / 4, to_text(low + (high - low) * k / 4)) for k in range(5))


def round_up(value: float) -> float:
    """Return the next number above whose quarters are easily read: 1, 2, 4, 6, 8, 10, 20 …"""
    power = 10.0 ** math.floor(math.log10(value))
    return next(
        step * power for step in (1.0, 2.0, 4.0, 6.0, 8.0, 10.0) if step * power >= value * (1 - 1e-9)
    )


def _plain(value: float) -> str:
    return f"{value:.3g}"


def _millilitres(value: float) -> str:
    return f"{value:.1f}" if value >= 0.05 else "<0.1"


def _percent(share: float) -> str:
    """Whole percent, but never "0" for what isn't nothing."""
    return "<1" if 0 < share < 0.01 else f"{100.0 * share:.0f}"


def signed(value: float, decimals: int) -> str:
    """Return a number with its sign, nothing without one."""
    text = f"{abs(value):.{decimals}f}"
    if float(text) == 0.0:
        return text
    return f"{'+' if value > 0 else '−'}{text}"
