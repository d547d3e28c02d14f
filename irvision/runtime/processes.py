"""Several processes that train one network: what they tell each other, gradients averaged."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from irtheory.intersection.network import Collected, Network
from irtheory.intersection.processes import Alone, Peers
from irtheory.trees.tree import Tree
from irvision.runtime.device import PATIENCE, Runtime
from irvision.runtime.statistics import share_statistics

# What torch calls, and called before 2.13, the sending of buffers before each forward pass.
BUFFERS = ("forward_sync_buffers", "broadcast_buffers")


class Group:
    """The processes of a run, as `irtheory.intersection.processes.Peers` of each other.

    Args:
        runtime: of this process, which has joined the others.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.rank = runtime.rank
        self._world, self._device = runtime.world, runtime.device
        # What the hosts have to say does not wait for the work their GPUs have in hand.
        hosts = distributed.new_group(backend="gloo", timeout=PATIENCE)
        assert isinstance(hosts, distributed.ProcessGroup)
        self._hosts = hosts

    def gather(self, seen: Collected) -> Collected:
        """The samples of all processes, those of the first one first, on the device."""
        counts = torch.zeros(self._world, dtype=torch.int64)
        counts[distributed.get_rank()] = len(seen.labels)
        distributed.all_reduce(counts, group=self._hosts)
        lengths = counts.tolist()
        codes, outputs, labels = (
            self._joined(tensor, lengths) for tensor in (seen.codes, seen.outputs, seen.labels)
        )
        return Collected(codes, outputs, labels)

    def total(self, numbers: Tensor) -> Tensor:
        """The sum over processes, in double precision, on the device of the numbers."""
        total = numbers.detach().to(self._device, torch.float64, copy=True)
        distributed.all_reduce(total)
        return total.to(numbers.device)

    def tree(self, grow: Callable[[], Tree]) -> Tree:
        """What `grow` makes in the first process.

        Raises:
            RuntimeError: it failed there (where what it raised is raised again).
        """
        if self.rank:
            text = self._told("")
            if not text:
                raise RuntimeError("no tree: the first process could not grow one")
            return Tree.from_json(text)
        try:
            tree = grow()
        except BaseException:
            # Or the others would wait for a tree that never comes.
            self._told("")
            raise
        self._told(tree.to_json())
        return tree

    def anyone(self, flag: bool) -> bool:
        """Whether the flag is up in some process."""
        flags = torch.tensor([int(flag)])
        distributed.all_reduce(flags, distributed.ReduceOp.MAX, group=self._hosts)
        return bool(flags.item())

    def of_first(self, numbers: Tensor) -> Tensor:
        """Those of the first process, for all; a tensor of the host."""
        distributed.broadcast(numbers, 0, group=self._hosts)
        return numbers

    def _joined(self, mine: Tensor, lengths: list[int]) -> Tensor:
        # Collective calls want tensors of one shape.
        padded = torch.zeros((max(lengths), *mine.shape[1:]), dtype=mine.dtype, device=self._device)
        padded[: len(mine)] = mine
        parts = [torch.empty_like(padded) for _ in lengths]
        distributed.all_gather(parts, padded)
        return torch.cat([part[:length] for part, length in zip(parts, lengths, strict=True)])

    def _told(self, text: str) -> str:
        """The text of the first process."""
        content = torch.frombuffer(bytearray(f"{text}\n".encode()), dtype=torch.uint8)
        length = torch.tensor([len(content)])
        distributed.broadcast(length, 0, group=self._hosts)
        if self.rank:
            content = torch.empty(int(length.item()), dtype=torch.uint8)
        distributed.broadcast(content, 0, group=self._hosts)
        return content.numpy().tobytes().decode().rstrip("\n")


class ParallelNetwork(Network):
    """A network whose processes average their gradients; modules and their names are its own.

    Gradients are those of the mean loss over all samples as long as the processes have equally
    many in a batch.

    Args:
        network: G∘q∘F on the device of the process; every process starts from the weights
            that it has in the first one.
        in_parts: whether a pass of F may leave some of its parameters out.
    """

    def __init__(self, network: Network, in_parts: bool = False) -> None:
        super().__init__(network.represent, network.quantize, network.classify)
        # In tuples, which hide them from the state dict.
        self._represent = (_averaging(self.represent, in_parts),)
        self._classify = (_averaging(self.classify, False),)

    @property
    def averaged_f(self) -> nn.Module:
        """F itself, with gradients averaged."""
        return self._represent[0]

    def codes(self, x: Tensor) -> Float[Tensor, "m d"]:
        """F_q(x) as floats, with straight-through gradients."""
        represent = self.averaged_f if torch.is_grad_enabled() else self.represent
        return self.quantize(represent(x).float())

    def logits(self, codes: Tensor) -> Float[Tensor, "m k"]:
        """Logits of G in single precision."""
        classify = self._classify[0] if torch.is_grad_enabled() else self.classify
        return classify(codes).float()


def parallelise(
    network: Network, runtime: Runtime, in_parts: bool = False
) -> tuple[Network, Peers]:
    """What the engine needs to train with all processes; the network itself if there is one.

    Parameters stay the same, so an optimiser may be made before or after. Batch statistics
    become those of all processes. To compile F, use `network.represent.compile()`.

    Args:
        network: G∘q∘F, on its device.
        runtime: of this process.
        in_parts: whether a pass of F may leave some of its parameters out, as with PMG's
            stages; all processes must leave out the same.
    """
    if runtime.world == 1:
        return network, Alone()
    shared = share_statistics(network)
    assert isinstance(shared, Network)
    return ParallelNetwork(shared, in_parts), Group(runtime)


def averaged_f(network: Network) -> nn.Module:
    """F of `parallelise`, for steps of its own: gradients are averaged if there are others."""
    return network.averaged_f if isinstance(network, ParallelNetwork) else network.represent


def _averaging(module: nn.Module, in_parts: bool) -> nn.Module:
    """The module with gradients averaged over processes; itself if it has none."""
    trained = [p for p in module.parameters() if p.requires_grad]
    if not trained:
        return module
    devices = [trained[0].device] if trained[0].is_cuda else None
    known = signature(DistributedDataParallel).parameters
    # Buffers move alike everywhere, so they need not be sent at every step.
    unsent: dict[str, Any] = {next(name for name in BUFFERS if name in known): False}
    return DistributedDataParallel(
        module,
        device_ids=devices,
        gradient_as_bucket_view=True,
        find_unused_parameters=in_parts,
        **unsent,
    )
