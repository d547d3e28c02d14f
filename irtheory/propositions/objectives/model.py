"""What all models of Q share: the sample, Q as the sum of two losses, checks of arguments."""

from __future__ import annotations

from abc import ABC, abstractmethod

from numpy.typing import ArrayLike

from irtheory.propositions.objectives.contract import (
    Array,
    checked_array,
    frozen_copy,
    squared_norm,
)


class Model(ABC):
    """A model with labels y [m, k] and a weight `ridge` ≥ 0 of (ridge/2)‖θ‖².

    A model defines G in `outputs` and L_S[a, b] in `loss`; Q and its two parts follow from them.
    """

    labels: Array
    ridge: float

    def _settle(self, rows: int) -> None:
        """Check the labels [rows, k] and the ridge, and store frozen copies of them."""
        labels = checked_array("labels", self.labels, (rows, "k"))
        if labels.shape[1] == 0:
            raise ValueError(f"labels: expected k ≥ 1, found {list(labels.shape)}")
        ridge = float(checked_array("ridge", self.ridge, ()))
        if ridge < 0:
            raise ValueError(f"ridge: expected a number ≥ 0, found {ridge}")
        object.__setattr__(self, "labels", frozen_copy(labels))
        object.__setattr__(self, "ridge", ridge)

    @property
    def n_samples(self) -> int:
        """The sample size m."""
        return self.labels.shape[0]

    @property
    def n_outputs(self) -> int:
        """The number k of outputs."""
        return self.labels.shape[1]

    @property
    @abstractmethod
    def theta_shape(self) -> tuple[int, ...]:
        """The shape of θ."""

    @abstractmethod
    def outputs(self, theta: ArrayLike) -> Array:
        """G_θ on the sample, [m, k]."""

    @abstractmethod
    def pull(self, cotangent: Array) -> Array:
        """(∂G/∂θ)ᵀ applied to an array [m, k], in the shape of θ; G is affine in θ."""

    @abstractmethod
    def loss(self, a: Array, b: Array) -> float:
        """L_S[a, b] for outputs a and targets b, both [m, k]."""

    def checked_theta(self, theta: ArrayLike) -> Array:
        """Theta as float64; ValueError for another shape or entries not finite."""
        return checked_array("theta", theta, self.theta_shape)

    def checked_tree(self, T: ArrayLike) -> Array:
        """Tree outputs as float64 [m, k]; ValueError for another shape or entries not finite."""
        return checked_array("T", T, (self.n_samples, self.n_outputs))

    def penalty(self, theta: ArrayLike) -> float:
        """(ridge/2)‖θ‖²."""
        if self.ridge == 0:
            return 0.0
        return 0.5 * self.ridge * squared_norm(self.checked_theta(theta))

    def label_loss(self, theta: ArrayLike) -> float:
        """L_S[G_θ, y] + (ridge/2)‖θ‖²."""
        return self.loss(self.outputs(theta), self.labels) + self.penalty(theta)

    def coupling(self, theta: ArrayLike, T: ArrayLike) -> float:
        """L_S[G_θ, T]."""
        return self.loss(self.outputs(theta), self.checked_tree(T))

    def value(self, theta: ArrayLike, T: ArrayLike) -> float:
        """Q = label_loss(θ) + coupling(θ, T)."""
        G, tree = self.outputs(theta), self.checked_tree(T)
        return self.loss(G, self.labels) + self.penalty(theta) + self.loss(G, tree)
