"""A finished run as an object: `irvision.load(RUN)`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8

from irtheory.intersection.network import Collected, collect
from irvision.data.batches.augment import central_view
from irvision.data.pixels.given import Given, as_list, read_given
from irvision.models.network import view_of
from irvision.runs.named_tree import NamedTree, read_named_tree
from irvision.runs.trained import Trained, load_trained
from irvision.runtime.device import Runtime, autocast, start_runtime

if TYPE_CHECKING:
    from irvision.explain.explanation import Explanation

# Images that pass through the network together; on a CPU larger batches are slower.
ON_CPU, ON_GPU = 16, 64


@dataclass(frozen=True, eq=False)
class Model:
    """F, q, G and T of a finished run.

    Images are paths of files, Pillow images, or uint8 arrays h × w × 3; one of them, any number in
    a sequence, or an array m × h × w × 3. They are read as the training images were: turned
    upright, RGB on white, resized to a square, the central crop.

    Attributes:
        folder: of the run.
        trained: network, tree and settings.
        named: T with words for its tests.
        runtime: device and precision.
    """

    folder: Path
    trained: Trained
    named: NamedTree
    runtime: Runtime

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the k classes."""
        return self.trained.classes

    @property
    def side(self) -> int:
        """Side S of the squares that images are resized to, in pixels."""
        return self.trained.settings.resize

    def codes(self, images: Any) -> UInt8[np.ndarray, "m d"]:
        """F_q of every image.

        Raises:
            BadImage: a file that cannot be read; names it.
            InputError: something that is no image.
        """
        return self.collected(images).codes.cpu().numpy()

    def predict(self, images: Any, by: Literal["tree", "network"] = "tree") -> list[str]:
        """The class of every image, by T or by G; errors as for `codes`."""
        labels = self.probabilities(images, by).argmax(axis=1)
        return [self.classes[label] for label in labels.tolist()]

    def probabilities(
        self, images: Any, by: Literal["tree", "network"] = "network"
    ) -> Float[np.ndarray, "m k"]:
        """Probabilities of the classes by G, or the values of the leaf of T.

        Raises:
            ValueError: another `by`; errors of images as for `codes`.
        """
        if by not in ("tree", "network"):
            raise ValueError(f"by: expected 'tree' or 'network', found {by!r}")
        found = self.collected(images)
        if by == "network":
            return found.outputs.cpu().numpy()
        return self.trained.tree.predict(found.codes.cpu().numpy()[:, self.trained.kept])

    def explain(self, image: Given) -> Explanation:
        """Why T names a class for one image; errors as for `codes`."""
        from irvision.explain.explanation import explain

        picture, context = self.read(image), autocast(self.runtime)
        return explain(self.trained, self.named, picture, context, self._dtype)

    def read(self, image: Given) -> UInt8[np.ndarray, "S S 3"]:
        """One image as a square; errors as for `codes`."""
        return read_given(image, self.side, self.trained.ranges)

    def collected(self, images: Any) -> Collected:
        """Codes, outputs and levels of images; labels are 0; errors as for `codes`."""
        given = as_list(images)
        if not given:
            width, k = self.trained.settings.dim, len(self.classes)
            return Collected(
                torch.zeros(0, width, dtype=torch.uint8), torch.zeros(0, k),
                torch.zeros(0, dtype=torch.int64), torch.zeros(0, width),
            )  # fmt: skip
        return self.forward(map(self.read, given))

    def forward(self, pictures: Iterable[UInt8[np.ndarray, "S S 3"]]) -> Collected:
        """Codes, outputs and levels of squares, batch by batch.

        Raises:
            FloatingPointError: features or outputs that are not finite.
        """
        batches = self._batches(pictures)
        return collect(self.trained.network, batches, autocast(self.runtime), levels=True)

    @property
    def _dtype(self) -> torch.dtype:
        """Type of the input of F: the one that autocast would convert it to."""
        return torch.bfloat16 if self.runtime.precision == "bf16" else torch.float32

    @property
    def at_once(self) -> int:
        """Images of a batch."""
        return ON_CPU if self.runtime.device.type == "cpu" else ON_GPU

    def _batches(
        self, pictures: Iterable[UInt8[np.ndarray, "S S 3"]]
    ) -> Iterator[tuple[torch.Tensor, Int[torch.Tensor, " b"]]]:
        view, device, some = view_of(self.trained.settings), self.runtime.device, []
        dtype = self._dtype
        for picture in pictures:
            some.append(picture)
            if len(some) == self.at_once:
                yield _batch(some, view, device, dtype)
                some = []
        if some:
            yield _batch(some, view, device, dtype)


def _batch(some: list, view: Any, device: torch.device, dtype: torch.dtype) -> tuple:
    stacked = torch.from_numpy(np.stack(some)).to(device)
    return central_view(stacked, view, dtype), torch.zeros(len(some), dtype=torch.int64)


def load(run: str | os.PathLike[str], device: str | None = None) -> Model:
    """Load a finished run of `ira train`, or a folder that `ira export` made of one.

    Args:
        run: its folder.
        device: "cpu", "cuda" or "cuda:N"; None takes a GPU if there is one.

    Raises:
        InputError: no finished run, a damaged file, or no such device.
    """
    folder = Path(run)
    trained = load_trained(folder)
    precision = "fp32" if trained.settings.precision == "fp32" else None
    runtime = start_runtime(device, precision)
    trained.network.to(runtime.device)
    return Model(folder, trained, read_named_tree(folder), runtime)
