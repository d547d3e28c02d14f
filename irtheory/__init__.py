"""The mathematics of intersection regularisation: its public names, each imported when first used.

`irtheory.trees` has the decision trees, `irtheory.fidelity` the scores of learned features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from irtheory.lazy import lazy_names

if TYPE_CHECKING:
    from irtheory.estimators import IntersectionClassifier
    from irtheory.fidelity.distance import fidelity_distance
    from irtheory.fidelity.references import class_oracle_fidelity, predicted_class_fidelity
    from irtheory.fidelity.score import feature_fidelity
    from irtheory.fidelity.within_class import within_class_recovery
    from irtheory.intersection.array_settings import ArraySettings
    from irtheory.intersection.arrays import fit_arrays
    from irtheory.intersection.engine import Intersection
    from irtheory.intersection.growers import Grower
    from irtheory.intersection.layers import Head
    from irtheory.intersection.methods import METHODS
    from irtheory.intersection.network import Network
    from irtheory.intersection.quantize import UniformQuantizer, binarize, column_name
    from irtheory.intersection.weights import Weights
    from irtheory.problems.synthetic import key_problem, xor_problem
    from irtheory.problems.tables import table_problem
    from irtheory.problems.worlds import WorldSettings, draw_world
    from irtheory.propositions.certificates.certificates import Certificate
    from irtheory.runs.files import InputError
    from irtheory.studies.simulate.settings import SimulateSettings
    from irtheory.studies.simulate.simulate import simulate

__version__ = "0.1.0"
__all__ = [
    "METHODS", "ArraySettings", "Certificate", "Grower", "Head", "InputError", "Intersection",
    "IntersectionClassifier", "Network", "SimulateSettings", "UniformQuantizer", "Weights",
    "WorldSettings", "binarize", "class_oracle_fidelity", "column_name", "draw_world",
    "feature_fidelity", "fidelity_distance", "fit_arrays", "key_problem",
    "predicted_class_fidelity", "simulate", "table_problem", "within_class_recovery",
    "xor_problem",
]  # fmt: skip
__getattr__ = lazy_names(
    __name__,
    {
        "irtheory.estimators": ["IntersectionClassifier"],
        "irtheory.fidelity.distance": ["fidelity_distance"],
        "irtheory.fidelity.references": ["class_oracle_fidelity", "predicted_class_fidelity"],
        "irtheory.fidelity.score": ["feature_fidelity"],
        "irtheory.fidelity.within_class": ["within_class_recovery"],
        "irtheory.intersection.array_settings": ["ArraySettings"],
        "irtheory.intersection.arrays": ["fit_arrays"],
        "irtheory.intersection.engine": ["Intersection"],
        "irtheory.intersection.growers": ["Grower"],
        "irtheory.intersection.layers": ["Head"],
        "irtheory.intersection.methods": ["METHODS"],
        "irtheory.intersection.network": ["Network"],
        "irtheory.intersection.quantize": ["UniformQuantizer", "binarize", "column_name"],
        "irtheory.intersection.weights": ["Weights"],
        "irtheory.problems.synthetic": ["key_problem", "xor_problem"],
        "irtheory.problems.tables": ["table_problem"],
        "irtheory.problems.worlds": ["WorldSettings", "draw_world"],
        "irtheory.propositions.certificates.certificates": ["Certificate"],
        "irtheory.runs.files": ["InputError"],
        "irtheory.studies.simulate.settings": ["SimulateSettings"],
        "irtheory.studies.simulate.simulate": ["simulate"],
    },
)
