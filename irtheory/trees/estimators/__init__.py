"""Greedy and optimal trees on tables, with the interface of scikit-learn."""

from irtheory.trees.estimators.greedy import CodeTreeClassifier, CodeTreeRegressor
from irtheory.trees.estimators.optimal import OptimalTreeClassifier, OptimalTreeRegressor

__all__ = [
    "CodeTreeClassifier",
    "CodeTreeRegressor",
    "OptimalTreeClassifier",
    "OptimalTreeRegressor",
]
