"""Losses of segmentation as small modules that can be put together.

Each takes logits ``(n, c, h, w[, d])`` and integer labels ``(n, 1, h, w[, d])``, and returns a scalar.
Voxels with ``ignore_label`` count nowhere. All are ratios of sums over voxels, which ``summed`` may carry on
over several processes: with ``torch.distributed.nn.functional.all_reduce`` each has the loss of the whole
batch, and the mean of their gradients is the gradient of that loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import nn
from torch.nn import functional

from claimslicer.errors import SpecificationError

Summed = Callable[[torch.Tensor], torch.Tensor]


def of_this_process(sums: torch.Tensor) -> torch.Tensor:
    """Return ``sums`` as they are: nothing else runs."""
    return sums


class _VoxelLoss(nn.Module):
    """What the losses share: weights of the classes, the ignored label, sums over processes."""

    class_weights: torch.Tensor | None

    def __init__(
        self,
        class_weights: Sequence[float] | None = None,
        *,
        ignore_label: int | None = None,
        summed: Summed = of_this_process,
    ) -> None:
        super().__init__()
        weights = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float32)
        self.register_buffer("class_weights", weights, persistent=False)
        self.ignore_label = ignore_label
        self.summed = summed

    def _valid(self, labels: torch.Tensor) -> torch.Tensor:
        """Return where ``labels`` count, bool, their shape."""
        if self.ignore_label is None:
            return torch.ones_like(labels, dtype=torch.bool)
        return labels != self.ignore_label


class SoftDice(_VoxelLoss):
    """One minus the soft Dice of each class, over the whole batch; the mean over classes without background.

    ``class_weights`` (c,) are factors of the classes' losses. A class that is neither there nor predicted
    costs nothing. Same values as MONAI's ``DiceLoss(batch=True, include_background=False, softmax=True)``.
    """

    SMOOTH = 1e-5

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the loss, see the module."""
        valid = self._valid(labels)
        found = torch.softmax(_at_least_float32(logits), 1)[:, 1:] * valid
        truth = _one_hot(labels * valid, logits.shape[1])[:, 1:] * valid
        axes = (0, *range(2, logits.ndim))
        sums = self.summed(torch.stack([(found * truth).sum(axes), found.sum(axes) + truth.sum(axes)]))
        losses = 1 - (2 * sums[0] + self.SMOOTH) / (sums[1] + self.SMOOTH)
        return losses.mean() if self.class_weights is None else (losses * self.class_weights[1:]).mean()


class CrossEntropy(_VoxelLoss):
    """Cross-entropy; with ``class_weights`` (c,) the weighted mean over voxels, as torch has it."""

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the loss, see the module; 0 where every voxel is ignored."""
        valid = self._valid(labels)[:, 0]
        target = labels[:, 0].long() * valid
        logits = _at_least_float32(logits)
        weights = torch.ones(logits.shape[1]) if self.class_weights is None else self.class_weights
        voxels = functional.cross_entropy(logits, target, reduction="none")
        factors = weights.to(logits)[target] * valid
        return _ratio(self.summed(torch.stack([(voxels * factors).sum(), factors.sum()])))


class SoftLabelDivergence(_VoxelLoss):
    """Kullback–Leibler divergence of the prediction from Gaussian-softened labels, mean over voxels, ≥ 0.

    Forgives a border that is a voxel off, as in noisy labels. ``sigma`` is in voxels, one for all axes or one
    for each (0 for slices that are far apart); 0 leaves the cross-entropy.
    """

    def __init__(
        self,
        sigma: float | Sequence[float] = 1.0,
        *,
        ignore_label: int | None = None,
        summed: Summed = of_this_process,
    ) -> None:
        super().__init__(ignore_label=ignore_label, summed=summed)
        self.sigma = sigma

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the loss, see the module; 0 where every voxel is ignored."""
        valid = self._valid(labels)
        logits = _at_least_float32(logits)
        target = soften_labels(labels, logits.shape[1], self.sigma, valid).to(logits.dtype)
        # kl_div takes 0 · log 0 as 0: softened labels hold exact zeros away from borders.
        voxels = functional.kl_div(torch.log_softmax(logits, 1), target, reduction="none") * valid
        return _ratio(self.summed(torch.stack([voxels.sum(), valid.sum().to(logits.dtype)])))


def soften_labels(
    labels: torch.Tensor, classes: int, sigma: float | Sequence[float], valid: torch.Tensor | None = None
) -> torch.Tensor:
    """Return Gaussian-smoothed one-hot labels ``(n, classes, h, w[, d])``, distributions that sum to one.

    What lies beyond the image or isn't ``valid`` (bool, shape of ``labels``) has no say: the Gaussian is
    normalised over what is left, so that there is a distribution at the border too.
    """
    from monai.networks.layers import gaussian_1d, separable_filtering

    valid = torch.ones_like(labels, dtype=torch.bool) if valid is None else valid
    sigmas = [float(sigma)] * (labels.ndim - 2) if isinstance(sigma, int | float) else [*map(float, sigma)]
    kernels = [gaussian_1d(torch.tensor(width, device=labels.device)) for width in sigmas]
    one_hot = _one_hot(labels * valid, classes) * valid
    smooth = separable_filtering(one_hot, kernels)
    total = smooth.sum(1, keepdim=True)
    return torch.where(total > 0, smooth / total.clamp_min(1e-12), 1 / classes)


class SumOfLosses(nn.Module):
    """A weighted sum, ``SumOfLosses({"dice": (0.6, SoftDice()), "cross_entropy": (0.4, CrossEntropy())})``.

    Terms with weight 0 are left out. Raises SpecificationError for a negative weight, or when none is left.
    """

    def __init__(self, terms: Mapping[str, tuple[float, nn.Module]]) -> None:
        super().__init__()
        self.weights = {name: weight for name, (weight, _) in terms.items() if weight}
        if not self.weights or min(self.weights.values()) < 0:
            raise SpecificationError("The weights of a loss must be positive, or 0 to leave a term out.")
        self.parts = nn.ModuleDict({name: terms[name][1] for name in self.weights})

    def terms(self, logits: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return each term's value, not weighted."""
        return {name: part(logits, labels) for name, part in self.parts.items()}

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the loss, see the module."""
        values = self.terms(logits, labels)
        return torch.stack([self.weights[name] * value for name, value in values.items()]).sum()


class DeepSupervision(nn.Module):
    """``loss`` on the outputs of several levels of a network, the finest first, as nnU-Net weighs them.

    Each level counts half as much as the one before it and the coarsest not at all (its labels hardly show a
    scar); the weights sum to one. ``weights`` may say otherwise, one a level.
    """

    def __init__(self, loss: nn.Module, weights: Sequence[float] | None = None) -> None:
        super().__init__()
        self.loss = loss
        self._weights = weights

    def weights(self, levels: int) -> list[float]:
        """Return the weights of so many levels. Raises SpecificationError where others were given."""
        if self._weights is None:
            return halved_weights(1) if levels == 1 else [*halved_weights(levels - 1), 0.0]
        if len(self._weights) != levels:
            raise SpecificationError(
                f"The network has {levels} outputs, the deep supervision {len(self._weights)} weights: "
                "give one for each."
            )
        return list(self._weights)

    def forward(
        self, logits: Sequence[torch.Tensor], labels: torch.Tensor | Sequence[torch.Tensor]
    ) -> torch.Tensor:
        """Return the weighted sum over levels; ``labels`` of the finest one, or a list with all levels'."""
        total = torch.zeros((), device=logits[0].device)
        for level, weight in enumerate(self.weights(len(logits))):
            if weight:
                target = labels if isinstance(labels, torch.Tensor) else labels[level]
                total = total + weight * self.loss(logits[level], _resized(target, logits[level].shape[2:]))
        return total


def halved_weights(levels: int) -> list[float]:
    """Return a weight for each level, half as much as the one before it; they sum to one."""
    weights = [0.5**level for level in range(levels)]
    return [weight / sum(weights) for weight in weights]


def segmentation_loss(
    class_weights: Sequence[float] | None = None,
    *,
    dice: float = 1.0,
    cross_entropy: float = 1.0,
    kl: float = 0.0,
    kl_sigma: float | Sequence[float] = 1.0,
    ignore_label: int | None = None,
    summed: Summed = of_this_process,
) -> SumOfLosses:
    """Return the loss that training uses, of terms with these weights.

    Dice 0.6, cross-entropy 0.2 and KL 0.2 are those of "Robust Deep Learning for Myocardial Scar Segmentation
    in Cardiac MRI with Noisy Labels" (MICCAI workshops 2025), whose labels are softened with σ = 1 voxel.
    """
    return SumOfLosses(
        {
            "dice": (dice, SoftDice(class_weights, ignore_label=ignore_label, summed=summed)),
            "cross_entropy": (
                cross_entropy,
                CrossEntropy(class_weights, ignore_label=ignore_label, summed=summed),
            ),
            "kl": (kl, SoftLabelDivergence(kl_sigma, ignore_label=ignore_label, summed=summed)),
        }
    )


def _at_least_float32(logits: torch.Tensor) -> torch.Tensor:
    """Sums over voxels don't fit half precision."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def _one_hot(labels: torch.Tensor, classes: int) -> torch.Tensor:
    """Turn integer ``(n, 1, h, w[, d])`` into float32 ``(n, classes, h, w[, d])``."""
    return functional.one_hot(labels[:, 0].long(), classes).movedim(-1, 1).float()


def _ratio(sums: torch.Tensor) -> torch.Tensor:
    return sums[0] / sums[1].clamp_min(torch.finfo(sums.dtype).tiny)


def _resized(labels: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Nearest labels on a coarser grid."""
    if labels.shape[2:] == shape:
        return labels
    return functional.interpolate(labels.float(), size=tuple(shape), mode="nearest-exact").long()
