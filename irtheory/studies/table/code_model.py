"""A network with its codes as something that predicts: numbers as JSON, weights as safetensors."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from irtheory.intersection.array_settings import ArraySettings
from irtheory.intersection.arrays import Fitted, build_network, fit_arrays
from irtheory.intersection.methods import method_named
from irtheory.studies.table.matrix import Matrix
from irtheory.studies.table.settings import TableSettings
from irtheory.tables.columns import TableColumn
from irtheory.trees.tree import Tree

METHOD = "ira"
MOST = 4096
# A batch is this share of the training rows, within these bounds.
BATCH_SHARE, FEWEST, LARGEST = 1 / 16, 8, 64


@dataclass(frozen=True, eq=False)
class CodeModel:
    """F, G and T on the matrix of a table.

    Attributes:
        matrix: how columns become numbers.
        fitted: the networks, the kept codes and T.
        dim: number of codes of the network, kept or not.
        classes: k.
    """

    matrix: Matrix
    fitted: Fitted
    dim: int
    classes: int

    @property
    def needed(self) -> tuple[str, ...]:
        """All columns: the network sees them."""
        return tuple(part.name for part in self.matrix.parts)

    def shares(self, columns: Sequence[TableColumn]) -> Float[np.ndarray, "m k"]:
        """Probabilities of the classes by G."""
        outputs = self.fitted.apply(self.matrix.apply(columns))[1].astype(np.float64)
        return outputs / outputs.sum(axis=1, keepdims=True)

    def tree_shares(self, columns: Sequence[TableColumn]) -> Float[np.ndarray, "m k"]:
        """The same by T."""
        return self.fitted.tree.predict(self.fitted.apply(self.matrix.apply(columns))[0])

    def content(self) -> dict[str, Any]:
        """For JSON, without the weights."""
        return {
            "matrix": self.matrix.to_list(),
            "codes": self.dim,
            "kept": self.fitted.kept.tolist(),
            "tree": self.fitted.tree.to_json(),
        }

    def weights(self) -> bytes:
        """The weights of F and G as safetensors."""
        state = self.fitted.network.state_dict()
        return save({name: tensor.contiguous() for name, tensor in state.items()})

    @classmethod
    def read(cls, content: Any, classes: int, weights: Path) -> CodeModel:
        """Read `content` and the weights; ValueError for something else."""
        if not isinstance(content, dict) or set(content) != {"matrix", "codes", "kept", "tree"}:
            raise ValueError("model: expected a matrix, codes, kept codes and a tree")
        matrix, dim = Matrix.from_list(content["matrix"]), content["codes"]
        kept = content["kept"]
        if type(dim) is not int or not 1 <= dim <= MOST or not _are_codes(kept, dim):
            raise ValueError(f"model: expected 1 … {MOST} codes and which of them are kept")
        tree = Tree.from_json(content["tree"])
        if (tree.n_features, tree.n_outputs) != (len(kept), classes):
            raise ValueError(f"tree: expected {len(kept)} codes and {classes} classes")
        width = len(matrix.names)
        settings, method = ArraySettings(dim=dim), method_named(METHOD)
        # The columns of this matrix do not matter: their scales are among the weights.
        any_rows = torch.zeros(2, width, dtype=torch.float64)
        network = build_network(any_rows, classes, method, settings)
        try:
            network.load_state_dict(load_file(weights))
        except (SafetensorError, RuntimeError, OSError) as error:
            raise ValueError(f"{weights.name}: expected the weights of the network") from error
        network.eval()
        return cls(matrix, Fitted(network, np.array(kept), tree, (), width), dim, classes)


def _are_codes(kept: Any, dim: int) -> bool:
    whole = isinstance(kept, list) and all(type(code) is int for code in kept)
    return whole and bool(kept) and kept == sorted(set(kept)) and 0 <= kept[0] <= kept[-1] < dim


def fit_codes(
    columns: Sequence[TableColumn], labels: np.ndarray, classes: int, settings: TableSettings
) -> tuple[CodeModel, list[str]]:
    """Train F, G and T on the rows to train on; also remarks on cells that are far out."""
    matrix = Matrix.of(columns)
    batch = min(LARGEST, max(FEWEST, int(len(labels) * BATCH_SHARE)))
    own = ArraySettings(
        dim=settings.codes or ArraySettings.dim,
        max_depth=settings.depth,
        min_samples_leaf=settings.min_samples_leaf,
        epochs=settings.epochs,
        batch_size=batch,
        seed=settings.seed,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        # The method drops such codes.
        warnings.filterwarnings("ignore", message=".*codes are constant")
        fitted = fit_arrays(matrix.apply(columns), labels, classes, method_named(METHOD), own)
    remarks = [_named(str(warning.message), matrix.names) for warning in caught]
    return CodeModel(matrix, fitted, own.dim, classes), remarks


def _named(message: str, names: Sequence[str]) -> str:
    """A remark on a column of the matrix with the name of the column of the table."""
    return re.sub(r"column (\d+)", lambda found: f"column '{names[int(found[1])]}'", message)
