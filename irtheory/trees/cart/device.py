"""The best splits of a level on a torch device: histograms by scatter_add, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt32
from torch import Tensor

from irtheory.trees.cart import split
from irtheory.trees.cart.codes import CodeColumns
from irtheory.trees.kernels.lanes import LANES

# Most doubles that histograms, or gains, take at once.
_MOST = 2**24


def as_arrays(codes: Any, targets: Any) -> tuple[torch.device, np.ndarray, np.ndarray]:
    """The device to search on, and both arguments as arrays."""
    device = (codes if isinstance(codes, Tensor) else targets).device
    return device, _as_array(codes), _as_array(targets)


def _as_array(found: Any) -> np.ndarray:
    if not isinstance(found, Tensor):
        return np.asarray(found)
    whole = found.detach().cpu()
    return (whole.double() if whole.is_floating_point() else whole).numpy()


class DeviceSearch:
    """Finds the best splits of all nodes of a level at once; rows are divided on the host."""

    def __init__(self, codes: CodeColumns, data: split.Data, device: torch.device) -> None:
        m, k = data.targets.shape
        width = len(data.y) // m
        rows = data.y.reshape(width // LANES, m, LANES).transpose(1, 0, 2).reshape(m, width)
        self.data, self.levels = data, codes.levels
        self.rank = torch.as_tensor(codes.rank[: len(codes.column)], device=device)
        self.y = torch.as_tensor(np.ascontiguousarray(rows[:, :k]), device=device)

    def split(self, step: split.Step, rows: UInt32[np.ndarray, " m"]) -> None:
        """Find the best split of every node and fill `step`."""
        at_once = max(1, _MOST // (len(self.rank) * self.levels))
        spare = np.empty_like(rows)
        for first in range(0, len(step.start), at_once):
            nodes = np.arange(first, min(first + at_once, len(step.start)))
            column, level = self._best(step, nodes, rows)
            for i, j, v in zip(nodes, column.tolist(), level.tolist(), strict=True):
                if j >= 0:
                    split.divide(self.data, rows, int(i), j, v, spare, step)

    def _best(
        self, step: split.Step, nodes: Int[np.ndarray, " n"], rows: UInt32[np.ndarray, " m"]
    ) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
        """Column and level of each node's best split, −1 where none is allowed."""
        own = np.concatenate([rows[step.start[i] : step.stop[i]] for i in nodes]).astype(np.int64)
        size = (step.stop - step.start)[nodes]
        place = torch.as_tensor(np.repeat(np.arange(len(nodes)), size), device=self.y.device)
        samples = torch.as_tensor(own, device=self.y.device)
        gains = self._gains(samples, place, torch.as_tensor(size, device=self.y.device))
        flat = gains.transpose(0, 1).reshape(len(nodes), -1)
        best = flat.amax(dim=1, keepdim=True)
        position = torch.arange(flat.shape[1], device=flat.device).expand_as(flat)
        tie = torch.as_tensor(step.tie[nodes], device=flat.device)[:, None]
        winner = torch.where(flat >= best - tie, position, flat.shape[1]).amin(dim=1)
        winner = torch.where(best[:, 0] > -torch.inf, winner, -self.levels)
        return winner // self.levels, winner % self.levels

    def _gains(
        self, samples: Int[Tensor, " r"], place: Int[Tensor, " r"], size: Int[Tensor, " n"]
    ) -> Float[Tensor, "d n levels"]:
        """Gain of every split, −inf where it is none; some columns at a time."""
        y, n = self.y[samples], len(size)
        total = y.new_zeros(n, y.shape[1]).index_add_(0, place, y)
        # This bounds the histograms and also what is added to them.
        at_once = max(1, _MOST // (max(n * self.levels, len(y)) * y.shape[1]))
        gains = [
            self._gains_of(rank[:, samples].long(), y, place, total, size.double())
            for rank in self.rank.split(at_once)
        ]
        return torch.cat(gains)

    def _gains_of(self, rank, y, place, total, size) -> Float[Tensor, "c n levels"]:
        columns, n, levels = len(rank), len(size), self.levels
        slot = place * levels + rank
        # All columns at once: on a GPU a call for each costs more than the sums.
        counts = y.new_zeros(columns, n * levels)
        counts.scatter_add_(1, slot, counts.new_ones(()).expand_as(slot))
        sums = y.new_zeros(columns, n * levels, y.shape[1])
        sums.scatter_add_(1, slot[:, :, None].expand(-1, -1, y.shape[1]), y.expand(columns, -1, -1))
        held = counts.view(columns, n, levels)
        left = sums.view(columns, n, levels, -1).cumsum(dim=2)
        low = held.cumsum(dim=2)
        high = size[:, None] - low
        allowed = (held > 0) & (low >= self.data.least) & (high >= self.data.least)
        if len(self.data.row_entropy):
            gain = _information(left, low, high, total, size)
        else:
            gain = _squares(left, low, high, total, size)
        return gain.masked_fill(~allowed, -torch.inf)


def _squares(left, low, high, total, size) -> Float[Tensor, "c n levels"]:
    """‖S − (n_L / n) T‖² n / (n_L n_R): what a split takes off the squared error."""
    share = (low / size[:, None])[..., None]
    return (left - share * total[:, None]).square().sum(-1) * size[:, None] / (low * high)


def _information(left, low, high, total, size) -> Float[Tensor, "c n levels"]:
    """Information gain n H(p) − n_L H(p_L) − n_R H(p_R), from label sums."""
    right = (total[:, None] - left).clamp_min(0)
    return _entropy(total, size)[:, None] - _entropy(left, low) - _entropy(right, high)


def _entropy(s, n) -> Tensor:
    return -torch.xlogy(s, s / n.clamp_min(1)[..., None]).sum(-1)
