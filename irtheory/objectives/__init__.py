"""Q(theta, omega), one file a model, under one contract."""

from irtheory.objectives.agreement import AgreementObjective
from irtheory.objectives.contract import (
    Claims,
    Lipschitz,
    Objective,
    Smoothness,
    ThetaMinimum,
)
from irtheory.objectives.fixed_structure import FixedStructure, OmegaMinimum
from irtheory.objectives.linear import LinearObjective
from irtheory.objectives.logistic import LogisticObjective
from irtheory.objectives.ntk import LinearisedObjective
from irtheory.objectives.squared import SquaredLoss

__all__ = [
    "AgreementObjective",
    "Claims",
    "FixedStructure",
    "LinearObjective",
    "LinearisedObjective",
    "Lipschitz",
    "LogisticObjective",
    "Objective",
    "OmegaMinimum",
    "Smoothness",
    "SquaredLoss",
    "ThetaMinimum",
]
