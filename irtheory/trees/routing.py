"""The multilinear extension of a tree on torch tensors: gradients through the tests of T."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from irtheory.trees.tree import Tree


@dataclass(frozen=True, eq=False)
class Routing:
    """A `Tree` as tensors of one device; build it with `Routing.of`.

    T(q) = Σ_leaf v_leaf Π_path (s_n or 1 − s_n) with s_n = 1[q_j > τ] at node n. The forward
    value is the tree's own prediction; s_n passes its gradient straight to q_j.

    Attributes:
        feature, threshold, left, right: per node, as in `Tree`; at a leaf feature is 0 and
            both children are the leaf itself, so that a further step stays there.
        value: predictions [nodes, k].
        depth: largest number of tests on a path.
    """

    feature: Int[Tensor, " nodes"]
    threshold: Float[Tensor, " nodes"]
    left: Int[Tensor, " nodes"]
    right: Int[Tensor, " nodes"]
    value: Float[Tensor, "nodes k"]
    depth: int

    @classmethod
    def of(
        cls, tree: Tree, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> Routing:
        """The tensors of a tree; `dtype` is that of thresholds and values."""
        itself, leaf = np.arange(tree.n_nodes), tree.feature < 0
        return cls(
            torch.as_tensor(np.where(leaf, 0, tree.feature), device=device),
            torch.as_tensor(tree.threshold.copy(), device=device, dtype=dtype),
            torch.as_tensor(np.where(leaf, itself, tree.left), device=device),
            torch.as_tensor(np.where(leaf, itself, tree.right), device=device),
            torch.as_tensor(tree.value.copy(), device=device, dtype=dtype),
            tree.depth,
        )

    def to(self, device: torch.device | str) -> Routing:
        """The same on another device."""
        names = ("feature", "threshold", "left", "right", "value")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})

    def predict(self, codes: Float[Tensor, "m d"]) -> Float[Tensor, "m k"]:
        """T(q), a constant as far as gradients go."""
        return self.value[self._path(codes)[:, -1]]

    def forward(self, codes: Float[Tensor, "m d"]) -> Float[Tensor, "m k"]:
        """T(q) with the gradient of its multilinear extension.

        At 0-1 tests that gradient is simple: ∂T/∂s_n is zero off the sample's path, and on it
        the value of the leaf that the sample would reach past the right child minus the one
        past the left child.
        """
        path = self._path(codes)
        value = self.value[path[:, -1]]
        if self.depth == 0:
            return value
        inner = path[:, :-1]
        right = self.value[self._descend(codes, self.right[inner])]
        left = self.value[self._descend(codes, self.left[inner])]
        tested = torch.gather(codes, 1, self.feature[inner])
        # Zero in the forward pass; a leaf within the path has equal sides and adds nothing.
        passed = (tested - tested.detach()).to(value.dtype)
        return value + torch.einsum("ml,mlk->mk", passed, right - left)

    def _path(self, codes: Tensor) -> Tensor:
        """Nodes after 0, 1, …, depth tests: [m, depth + 1]."""
        if not isinstance(codes, Tensor) or codes.ndim != 2:
            found = tuple(codes.shape) if isinstance(codes, Tensor) else type(codes).__name__
            raise ValueError(f"codes: expected a tensor m × d, found {found}")
        node = torch.zeros(len(codes), 1, dtype=torch.int64, device=codes.device)
        path = [node]
        for _ in range(self.depth):
            path.append(self._step(codes, path[-1]))
        return torch.cat(path, dim=1)

    def _descend(self, codes: Tensor, node: Tensor) -> Tensor:
        """The leaves reached from `node` [m, l], one or more starts a sample."""
        for _ in range(self.depth - 1):
            node = self._step(codes, node)
        return node

    def _step(self, codes: Tensor, node: Tensor) -> Tensor:
        above = torch.gather(codes.detach(), 1, self.feature[node]) > self.threshold[node]
        return torch.where(above, self.right[node], self.left[node])
