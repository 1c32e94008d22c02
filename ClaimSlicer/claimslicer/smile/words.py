"""A scar in one sentence, as a reader of LGE studies would say it, and the specification of such a sentence.

"Subendocardial inferolateral infarct, mid to apical, 51–75 % transmural, 7.4 ml, 6.1 % of LV mass". What
:func:`describe` writes :func:`parse` reads back; it also reads the many ways in which people say the same.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Collection, Mapping
from typing import Any

from claimslicer.anatomy.aha import LEVELS, Level
from claimslicer.errors import SpecificationError
from claimslicer.smile.places import LEVEL_WORDS, WALL_WORDS, describe_place, join, segments_of
from claimslicer.smile.spec import ScarSpec
from claimslicer.smile.texture import Texture

EXAMPLE = "subendocardial inferolateral infarct, mid to apical, 7.4 ml"

TRANSMURAL = 0.75
"""A scar from the endocardium that reaches deeper is called transmural."""
USUAL_MVO = 0.2
"""Part of the scar that is MVO where a sentence names it without a number."""

_PATTERN_WORDS: Mapping[str, tuple[str, str]] = {
    "ischaemic": ("subendocardial", "infarct"),
    "mid-wall": ("mid-wall", "scar"),
    "subepicardial": ("subepicardial", "scar"),
    "patchy": ("patchy", "scar"),
    "claim": ("CLAIM-pattern", "scar"),
}
_PATTERN_SYNONYMS: Mapping[str, str] = {
    r"claim[- ]pattern": "claim",
    r"mid[- ]?(?:wall|myocardial)": "mid-wall",
    r"(?:sub)?epicardial": "subepicardial",
    r"patchy": "patchy",
    r"(?:sub)?endocardial|isch(?:a)?emic|transmural(?!ity)": "ischaemic",
}
_NUMBER = r"(\d+(?:[.,]\d+)?)"
_TO = r"\s*(?:-|–|to)\s*"
_LV = r"(?:the\s+)?(?:lv|left ventric(?:le|ular)|myocardi(?:um|al))(?:\s+(?:myocardium|mass|volume|wall))?"
_MVO = r"(?:mvo|micro-?vascular obstruction|no[- ]reflow)"
_FILLER = re.compile(
    r"an?|about|and|approximately|artery|at|ca|circa|core|enhancement|fibrosis|fibrotic|from|in|infarct(?:s|ion)?|is|its?|left"
    r"|lesion|level|lge|mi|myocardial|of|scars?|segment(?:s|al)?|size|territory|the|to|ventricular|walls?|with"
)


def describe(
    spec: ScarSpec,
    *,
    volume_ml: float | None = None,
    lv_ml: float | None = None,
    transmurality: float | None = None,
) -> str:
    """Return the sentence that says what ``spec`` asks for.

    ``volume_ml`` is the volume that came out, where the specification asks for a percentage. ``lv_ml``, the
    volume of the wall, adds the share of the LV's mass; ``transmurality`` (0–1), measured in the scar, adds
    its class.
    """
    layer, noun = _PATTERN_WORDS[spec.pattern]
    if spec.pattern == "ischaemic" and _reach(spec, transmurality) > TRANSMURAL:
        layer = "transmural"
    before, after = describe_place(spec.segments)
    head = " ".join(word for word in (layer, before, noun, "" if before else after) if word)
    volume_ml = spec.volume_ml if spec.volume_ml is not None else volume_ml
    parts = [
        head,
        after if before else "",
        _class_text(transmurality) if transmurality else "",
        _range_text(spec.transmurality),
        _share_text(spec.percent),
        f"{_figure(volume_ml)} ml" if volume_ml is not None else "",
        f"{_figure(100 * volume_ml / lv_ml)} % of LV mass" if volume_ml is not None and lv_ml else "",
        f"MVO core of {_figure(100 * spec.mvo_fraction)} % of the scar" if spec.mvo_fraction else "",
        *_edge_and_grain(spec),
    ]
    sentence = ", ".join(part for part in parts if part)
    return sentence[0].upper() + sentence[1:]


def _reach(spec: ScarSpec, transmurality: float | None) -> float:
    """Return how deep a scar reaches: as measured, else as far as it may where that is limited."""
    if transmurality is not None:
        return transmurality
    return spec.transmurality[1] if spec.transmurality != (0.0, 1.0) else 0.0


def _figure(value: float) -> str:
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def _class_text(transmurality: float) -> str:
    from claimslicer.quantification import transmurality_class

    return f"{transmurality_class(transmurality)} % transmural"


def _range_text(transmurality: tuple[float, float]) -> str:
    low, high = transmurality
    if (low, high) == (0.0, 1.0):
        return ""
    if low == 0.0:
        return f"inner {100 * high:.3g} % of the wall"
    if high == 1.0:
        return f"outer {100 - 100 * low:.3g} % of the wall"
    return f"from {100 * low:.3g} to {100 * high:.3g} % of the wall"


def _share_text(percent: float | Mapping[int, float] | None) -> str:
    if percent is None:
        return ""
    if isinstance(percent, Mapping):
        return join([f"{_figure(share)} % of segment {k}" for k, share in sorted(percent.items())])
    return f"{_figure(percent)} % of the segments"


def _edge_and_grain(spec: ScarSpec) -> list[str]:
    """Say what differs from the border zone and the texture that a scar has unasked."""
    usual, texture, words = ScarSpec(segments=(1,), volume_ml=1.0), spec.texture, []
    if spec.border_zone_mm != usual.border_zone_mm:
        words.append(f"{spec.border_zone_mm:.3g} mm border zone" if spec.border_zone_mm else "sharp border")
    if texture.porosity != usual.texture.porosity:
        words.append(f"porosity {100 * texture.porosity:.3g} %" if texture.porosity else "compact")
    if texture.grain_mm != usual.texture.grain_mm:
        words.append(f"grain {texture.grain_mm:.3g} mm")
    if texture.anisotropy != usual.texture.anisotropy:
        words.append(f"anisotropy {texture.anisotropy:.3g}")
    return words


def parse(
    sentence: str,
    shown: Collection[int] | None = None,
    *,
    lv_ml: float | None = None,
    base: ScarSpec | None = None,
) -> ScarSpec:
    """Return the specification of a sentence.

    ``shown`` are the segments that the study shows, to which walls and territories are narrowed. ``lv_ml``
    is the volume of the wall, for an amount in % of LV mass. ``base`` gives what a sentence leaves open: the
    seed, the texture, the border zone, and the amount. Unnamed, the pattern is ischaemic, the scar may take
    the whole depth of the wall, and there is no MVO.

    Raises :class:`SpecificationError` for words it doesn't know, and where the place or amount is missing.
    """
    reader = _Reader(sentence)
    asked: dict[str, Any] = {
        "mvo_fraction": reader.mvo_fraction(base.mvo_fraction if base else 0.0),
        "border_zone_mm": reader.border_zone_mm(base.border_zone_mm if base else 2.0),
        "texture": reader.texture(base.texture if base else Texture()),
        "transmurality": reader.transmurality(),
    }
    percent, volume_ml = reader.amount(lv_ml)
    asked["pattern"] = reader.pattern()
    numbers = reader.numbered_segments()
    place = reader.place()
    reader.finish()
    if shown is not None:
        place &= frozenset(shown)
    if isinstance(percent, Mapping):
        asked["segments"] = tuple(percent)
    elif not place and not numbers:
        raise SpecificationError(f"Say where in the ventricle the scar lies, for example: {EXAMPLE}.")
    else:
        asked["segments"] = tuple(sorted(place | numbers))
    if percent is None and volume_ml is None:
        if base is None or isinstance(base.percent, Mapping):
            raise SpecificationError(f"Say how much scar in ml or % of the segments, for example: {EXAMPLE}.")
        percent, volume_ml = base.percent, base.volume_ml
    seed = base.seed if base else 0
    return ScarSpec(percent=percent, volume_ml=volume_ml, seed=seed, **asked)


class _Reader:
    """Takes what it understands out of a sentence, and in the end refuses what is left."""

    def __init__(self, sentence: str) -> None:
        self.rest = " " + sentence.casefold().replace("\N{NO-BREAK SPACE}", " ").strip().rstrip(".") + " "

    def take(self, pattern: str) -> re.Match[str] | None:
        """Cut the first match of ``pattern`` out of what is left, and return it."""
        match = re.search(rf"(?<![\w.]){pattern}(?![\w])", self.rest)
        if match:
            self.rest = self.rest[: match.start()] + " | " + self.rest[match.end() :]
        return match

    def mvo_fraction(self, usual: float = 0.0) -> float:
        """Return the MVO's part of the scar; ``usual`` where it is named without a number."""
        if self.take(rf"(?:without|no)\s+{_MVO}"):
            return 0.0
        match = self.take(
            rf"{_MVO}(?:\s+core)?(?:\s+of|\s*[,:(])?\s*{_NUMBER}\s*%(?:\s+of (?:the |its )?scar)?\)?"
        )
        match = match or self.take(rf"{_NUMBER}\s*%\s+{_MVO}(?:\s+core)?")
        if match:
            return min(_number(match[1]) / 100.0, 1.0)
        if self.take(rf"{_MVO}(?:\s+core)?"):
            return usual or USUAL_MVO
        return 0.0

    def border_zone_mm(self, usual: float) -> float:
        """Return the depth of the border zone."""
        if self.take(r"(?:sharp border|no border(?: zone)?)"):
            return 0.0
        match = self.take(rf"{_NUMBER}\s*mm\s+border(?: zone)?") or self.take(
            rf"border(?: zone)?(?:\s+of)?\s+{_NUMBER}\s*mm"
        )
        return _number(match[1]) if match else usual

    def texture(self, usual: Texture) -> Texture:
        """Return the grain."""
        values = dataclasses.asdict(usual)
        if self.take("compact"):
            values["porosity"] = 0.0
        for name, pattern, unit in (
            ("porosity", rf"porosity(?:\s+of)?\s+{_NUMBER}\s*%", 0.01),
            ("grain_mm", rf"grain(?:\s+of)?\s+{_NUMBER}\s*mm", 1.0),
            ("anisotropy", rf"anisotropy(?:\s+of)?\s+{_NUMBER}", 1.0),
        ):
            match = self.take(pattern)
            if match:
                values[name] = _number(match[1]) * unit
        return Texture(**values)

    def transmurality(self) -> tuple[float, float]:
        """Return the range of depths; a class of transmurality is a limit where no range is named."""
        wall = self.take(rf"(?:from\s+)?{_NUMBER}{_TO}{_NUMBER}\s*%\s+of the wall")
        upto = r"(?:up to|below|under|at most|less than|[<≤])\s*"
        classed = self.take(rf"{_NUMBER}\s*%?{_TO}{_NUMBER}\s*%\s*transmural(?:ity)?")
        limit = self.take(rf"(?:{upto})?{_NUMBER}\s*%\s*transmural(?:ity)?")
        limit = limit or self.take(rf"{upto}{_NUMBER}\s*%\s+of the wall")
        inner = self.take(rf"inner\s+{_NUMBER}\s*%(?:\s+of the wall)?")
        outer = self.take(rf"outer\s+{_NUMBER}\s*%(?:\s+of the wall)?")
        if inner or outer:
            low = round(1.0 - _number(outer[1]) / 100.0, 4) if outer else 0.0
            return low, _number(inner[1]) / 100.0 if inner else 1.0
        if wall:
            return _number(wall[1]) / 100.0, _number(wall[2]) / 100.0
        if classed:
            return 0.0, _number(classed[2]) / 100.0
        return 0.0, _number(limit[1]) / 100.0 if limit else 1.0

    def amount(self, lv_ml: float | None) -> tuple[float | dict[int, float] | None, float | None]:
        """Return percentage and ml, of which at most one is given; ml go before % of LV mass."""
        shares = {}
        while match := self.take(rf"{_NUMBER}\s*%\s+of segment\s+(\d+)"):
            shares[int(match[2])] = _number(match[1])
        share = self.take(rf"{_NUMBER}\s*%\s+of (?:the |these |those |each |chosen )*segments?")
        of_lv = self.take(rf"{_NUMBER}\s*%\s+of {_LV}")
        volume = self.take(rf"{_NUMBER}\s*(?:ml|millilit(?:re|er)s?|cm3|cm³|cc)")
        if shares or share:
            return shares or _number(share[1] if share else ""), None
        if volume:
            return None, _number(volume[1])
        if of_lv and lv_ml is None:
            raise SpecificationError(
                "A share of the LV's mass needs a study: choose one, or give the scar in ml."
            )
        return None, round(_number(of_lv[1]) / 100.0 * lv_ml, 3) if of_lv and lv_ml else None

    def pattern(self) -> str:
        """Return the pattern's name."""
        found: list[str] = []
        for words, name in _PATTERN_SYNONYMS.items():
            while self.take(f"(?:{words})"):
                found = [*found, name] if name not in found else found
        if len(found) > 1:
            raise SpecificationError(f"A scar has one pattern: choose between {join(found)}.")
        return found[0] if found else "ischaemic"

    def numbered_segments(self) -> frozenset[int]:
        """Return the segments named by number."""
        one = rf"\d+(?:{_TO}\d+)?(?!\s*(?:%|ml|mm))"
        match = self.take(rf"(?:aha\s+)?segments?\s+({one}(?:(?:\s*,\s*|\s+and\s+|\s+){one})*)")
        numbers: set[int] = set()
        for first, last in re.findall(rf"(\d+)(?:{_TO}(\d+))?", match[1] if match else ""):
            numbers.update(range(int(first), int(last or first) + 1))
        return frozenset(numbers)

    def place(self) -> frozenset[int]:
        """Return the segments of the walls and levels, each wall beside its levels."""
        words = "|".join(sorted(map(re.escape, [*WALL_WORDS, *LEVEL_WORDS]), key=len, reverse=True))
        found = rf"(?<![\w-])({words})(?![\w-])"
        tokens = re.findall(rf"{found}|(?<= )(to)(?= )", self.rest)
        self.rest = re.sub(found, " | ", self.rest)
        named = [name or to for name, to in tokens]
        runs = [list(run) for _, run in itertools.groupby(named, key=WALL_WORDS.__contains__)]
        if not runs or named == ["to"]:
            return frozenset()
        if named[0] not in WALL_WORDS:
            # Levels first: "basal inferior and mid inferolateral" instead of "inferior, basal to mid".
            runs = [run for pair in _pairs(runs) for run in reversed(pair)]
        return frozenset().union(*(segments_of(walls, _levels(levels)) for walls, levels in _pairs(runs)))

    def finish(self) -> None:
        """Refuse what nobody took."""
        left = [word for word in re.findall(r"[^\s,;|()]+", self.rest) if not _FILLER.fullmatch(word)]
        if left:
            raise SpecificationError(
                f"I can't read {join([repr(word) for word in left])}; write for example: {EXAMPLE}."
            )


def _pairs(runs: list[list[str]]) -> list[tuple[list[str], list[str]]]:
    return list(itertools.zip_longest(runs[::2], runs[1::2], fillvalue=[]))


def _levels(words: list[str]) -> tuple[Level, ...]:
    """Return the levels of words such as "mid", "to", "apical"."""
    levels: list[Level] = []
    for i, word in enumerate(words):
        if word != "to":
            levels.append(LEVEL_WORDS[word])
        elif 0 < i < len(words) - 1:
            first, last = sorted((LEVELS.index(levels[-1]), LEVELS.index(LEVEL_WORDS[words[i + 1]])))
            levels.extend(LEVELS[first + 1 : last])
    return tuple(levels)


def _number(text: str) -> float:
    return float(text.replace(",", "."))
