"""The first classifier: a forest on hand-made features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from claimslicer.evaluation.twosample.samples import SliceSample

TREES = 300
FEWEST_IN_LEAF = 3


class Forest:
    """Extremely randomised trees (Geurts et al. 2006); missing features are a branch of their own."""

    def __init__(self, samples: Sequence[SliceSample], seed: int = 0) -> None:
        self.names = list(samples[0].features)
        self.values = np.array([[sample.features[name] for name in self.names] for sample in samples])
        self.seed = seed

    def scores(self, train: np.ndarray, synthetic: np.ndarray, test: np.ndarray) -> np.ndarray:
        """Return how synthetic samples ``test`` look after training on ``train`` (both indices)."""
        return self._fitted(train, synthetic).predict_proba(self.values[test])[:, 1]

    def importances(self, synthetic: np.ndarray) -> dict[str, float]:
        """Return each feature's share in the decisions (mean decrease in impurity), on all samples."""
        forest = self._fitted(np.arange(len(self.values)), synthetic)
        with np.errstate(invalid="ignore"):  # a forest that finds nothing to split by has no shares
            shares = np.nan_to_num(forest.feature_importances_)
        return dict(zip(self.names, shares.tolist(), strict=True))

    def _fitted(self, train: np.ndarray, synthetic: np.ndarray) -> Any:
        from sklearn.ensemble import ExtraTreesClassifier

        forest = ExtraTreesClassifier(
            TREES, min_samples_leaf=FEWEST_IN_LEAF, class_weight="balanced", random_state=self.seed
        )
        return forest.fit(self.values[train], synthetic[train])
