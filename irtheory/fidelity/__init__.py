"""Feature fidelity: how well learned features match attributes that nobody trained on."""

from __future__ import annotations

from irtheory.fidelity.distance import FidelityDistance, fidelity_distance
from irtheory.fidelity.references import (
    ClassOracle,
    class_oracle_fidelity,
    predicted_class_fidelity,
)
from irtheory.fidelity.score import FeatureFidelity, feature_fidelity
from irtheory.fidelity.within_class import WithinClassRecovery, within_class_recovery

__all__ = [
    "ClassOracle",
    "FeatureFidelity",
    "FidelityDistance",
    "WithinClassRecovery",
    "class_oracle_fidelity",
    "feature_fidelity",
    "fidelity_distance",
    "predicted_class_fidelity",
    "within_class_recovery",
]
