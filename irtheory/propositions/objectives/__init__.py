"""The objectives Q(θ, ω): one file per model, all with the interface of `Objective`."""

from irtheory.propositions.objectives.agreement import AgreementObjective
from irtheory.propositions.objectives.contract import (
    Claims,
    Lipschitz,
    Objective,
    Smoothness,
    ThetaMinimum,
)
from irtheory.propositions.objectives.fixed_structure import FixedStructure, OmegaMinimum
from irtheory.propositions.objectives.linear import LinearObjective
from irtheory.propositions.objectives.logistic import LogisticObjective
from irtheory.propositions.objectives.ntk import LinearisedObjective
from irtheory.propositions.objectives.squared import SquaredLoss

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
