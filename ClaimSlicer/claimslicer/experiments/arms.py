"""What is compared: the rows of the paper's Table 2, each by a short name.

The paper trains its segmenter on sets of studies (captions of Table 2 and figure 5):

- P: the real patients with infarct (57 there);
- P′: one synthetic study from each of them (57 × 1), to whose own scar another is added (its section 2.2);
- N′: two synthetic studies from each real heart without infarct (28 × 2 there);
- N″: five synthetic studies from each of these hearts (28 × 5).

Here N′ is the first two of N″'s five. A name such as ``P+P'+N'' ours joint`` puts together the sets, how
the synthetic scars are drawn (``claim``, the paper's recipe, or ``ours``), and whether generator and
segmenter are trained together (``joint``). ``N``, the real hearts without infarct as they are, may be a set
too: it tells what their anatomy alone is worth.

Without ``joint`` the generator paints the sets once, before the segmenter is trained. With it the
segmenter's last steps are taken together with the generator, which paints into the same hearts, as often,
while it learns; the segmenter that comes out is the one that is scored. The paper instead trains a new
segmenter on what the jointly trained generator paints.
"""

from __future__ import annotations

from dataclasses import dataclass

from claimslicer.errors import SpecificationError
from claimslicer.training.data.masks import MASKS

VARIANTS = {"P'": 1, "N'": 2, "N''": 5}
"""Synthetic studies of each heart, by set."""
SETS = ("P", "N", *VARIANTS)
BASELINE = "P"
"""The row that the others are compared with."""
_PRIMES = str.maketrans({"′": "'", "″": "''"})


@dataclass(frozen=True)
class Arm:
    """One row: its sets of studies (of :data:`SETS`, in that order), its masks, and whether it is joint."""

    sets: tuple[str, ...]
    masks: str = ""
    joint: bool = False

    @classmethod
    def parse(cls, name: object) -> Arm:
        """Read a name such as ``P+N'' claim`` or ``P+P'+N'' ours joint``. Raises SpecificationError."""
        words = name.translate(_PRIMES).split() if isinstance(name, str) else []
        if not words:
            raise SpecificationError(f"{name!r} is no row of the experiment: give names like P+N'' ours.")
        sets, told = words[0].split("+"), words[1:]
        unknown = [word for word in sets if word not in SETS]
        unknown += [word for word in told if word not in (*MASKS, "joint")]
        if unknown or len(set(sets)) < len(sets) or len(set(told)) < len(told):
            raise SpecificationError(
                f"The row {name!r} can't be read. Join sets by '+' ({', '.join(SETS)}). Where some are "
                f"synthetic, add {' or '.join(MASKS)}; add 'joint' for joint training."
            )
        if "P" not in sets or {"N'", "N''"} <= set(sets):
            raise SpecificationError(f"The row {name!r} must hold P, and not both N' and N''.")
        masks = [word for word in told if word in MASKS]
        synthetic = any(one in VARIANTS for one in sets)
        if len(masks) != synthetic or ("joint" in told and not synthetic):
            raise SpecificationError(
                f"The row {name!r} must say once how its synthetic scars are drawn, {' or '.join(MASKS)}. A "
                "row without synthetic studies says neither that nor 'joint'."
            )
        return cls(tuple(sorted(sets, key=SETS.index)), "".join(masks), "joint" in told)

    @property
    def data(self) -> str:
        """The sets, joined as the paper does."""
        return "+".join(self.sets)

    @property
    def method(self) -> str:
        """How its synthetic studies are made; empty without any."""
        return self.masks + " joint" * self.joint

    @property
    def name(self) -> str:
        """The name that :meth:`parse` reads."""
        return f"{self.data} {self.method}".strip()

    @property
    def folder(self) -> str:
        """A name for its folder and models: primes become the number of variants."""
        sets = "_".join(f"{one[0]}{VARIANTS.get(one, '')}" for one in self.sets)
        return f"{sets} {self.method}".strip().replace(" ", "-")

    @property
    def per_normal(self) -> int:
        """Synthetic studies of each heart without infarct."""
        return max((VARIANTS[one] for one in self.sets if one in ("N'", "N''")), default=0)

    @property
    def per_infarcted(self) -> int:
        """Synthetic studies of each heart with infarct."""
        return VARIANTS["P'"] if "P'" in self.sets else 0


TABLE_2 = (
    Arm(("P",)),
    *(
        Arm(sets, masks, joint)
        for sets in (("P", "N'"), ("P", "N''"), ("P", "P'", "N''"))
        for joint in (False, True)
        for masks in ("claim", "ours")
    ),
)
"""The default: P, and each set of the table with both kinds of masks, without and with joint training."""
