"""Training one network in several processes: collective operations and averaged gradients."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from irtheory.intersection.network import Network
from irtheory.intersection.processes import Processes, SingleProcess
from irtheory.trees.tree import Tree
from irvision.runtime.device import PROCESS_TIMEOUT, Runtime
from irvision.runtime.statistics import share_statistics

# Argument of DistributedDataParallel that controls whether buffers are sent before each forward
# pass: the name since torch 2.13, then the name before.
BUFFERS = ("forward_sync_buffers", "broadcast_buffers")


class DistributedProcesses:
    """`irtheory.intersection.processes.Processes` by torch.distributed.

    Args:
        runtime: of this process, whose process group has been initialised.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.rank = runtime.rank
        self._world, self._device = runtime.world, runtime.device
        # A second group for small CPU tensors: they do not wait for work queued on the GPU.
        hosts = distributed.new_group(backend="gloo", timeout=PROCESS_TIMEOUT)
        assert isinstance(hosts, distributed.ProcessGroup)
        self._hosts = hosts

    def all_gather(self, rows: Tensor) -> Tensor:
        """The rows of all processes, ordered by rank, on the device."""
        counts = torch.zeros(self._world, dtype=torch.int64)
        counts[self.rank] = len(rows)
        distributed.all_reduce(counts, group=self._hosts)
        lengths = counts.tolist()
        # `distributed.all_gather` needs tensors of one shape, so all are padded to the longest.
        padded = torch.zeros((max(lengths), *rows.shape[1:]), dtype=rows.dtype, device=self._device)
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in lengths]
        distributed.all_gather(parts, padded)
        return torch.cat([part[:length] for part, length in zip(parts, lengths, strict=True)])

    def all_reduce_sum(self, numbers: Tensor) -> Tensor:
        """The sum over processes, in double precision, on the device of `numbers`."""
        total = numbers.detach().to(self._device, torch.float64, copy=True)
        distributed.all_reduce(total)
        return total.to(numbers.device)

    def broadcast(self, numbers: Tensor) -> Tensor:
        """A CPU tensor of process 0, in every process; overwrites `numbers`."""
        distributed.broadcast(numbers, 0, group=self._hosts)
        return numbers

    def compute_on_rank0(self, compute: Callable[[], Tree]) -> Tree:
        """The tree that `compute` returns in process 0, in every process.

        Raises:
            RuntimeError: `compute` failed in process 0, which raises its own error.
        """
        if self.rank:
            text = self._broadcast_text("")
            if not text:
                raise RuntimeError("no tree: process 0 could not grow one")
            return Tree.from_json(text)
        try:
            tree = compute()
        except BaseException:
            # An empty text tells the other processes, which would wait for a tree until timeout.
            self._broadcast_text("")
            raise
        self._broadcast_text(tree.to_json())
        return tree

    def any_process(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        flags = torch.tensor([int(flag)])
        distributed.all_reduce(flags, distributed.ReduceOp.MAX, group=self._hosts)
        return bool(flags.item())

    def _broadcast_text(self, text: str) -> str:
        """The text of process 0; the arguments of other processes are ignored."""
        # The line end keeps the tensor from being empty.
        content = torch.frombuffer(bytearray(f"{text}\n".encode()), dtype=torch.uint8)
        length = self.broadcast(torch.tensor([len(content)]))
        if self.rank:
            content = torch.empty(int(length.item()), dtype=torch.uint8)
        return self.broadcast(content).numpy().tobytes().decode().rstrip("\n")


class ParallelNetwork(Network):
    """A network whose processes average their gradients; state dict and modules are unchanged.

    Gradients are those of the mean loss over all samples if every process has the same number of
    samples in a batch.

    Args:
        network: G∘q∘F on the device of the process; every process starts from the weights of
            process 0.
        in_parts: whether a pass of F may leave out some of its parameters.
    """

    def __init__(self, network: Network, in_parts: bool = False) -> None:
        super().__init__(network.represent, network.quantize, network.classify)
        # Tuples keep the wrappers from being registered as modules, so that names in the state
        # dict stay those of the network itself.
        self._represent = (_data_parallel(self.represent, in_parts),)
        self._classify = (_data_parallel(self.classify, False),)

    @property
    def averaged_f(self) -> nn.Module:
        """F with averaged gradients."""
        return self._represent[0]

    def codes(self, x: Tensor) -> Float[Tensor, "m d"]:
        """F_q(x) as floats, with straight-through gradients."""
        # Without gradients, as in evaluation, processes may run different numbers of batches,
        # and the wrapper, which communicates, would wait for the others.
        represent = self.averaged_f if torch.is_grad_enabled() else self.represent
        return self.quantize(represent(x).float())

    def logits(self, codes: Tensor) -> Float[Tensor, "m k"]:
        """Logits of G in single precision."""
        classify = self._classify[0] if torch.is_grad_enabled() else self.classify
        return classify(codes).float()


def parallelise(
    network: Network, runtime: Runtime, in_parts: bool = False
) -> tuple[Network, Processes]:
    """The network and processes to train with; with one process, the network itself.

    Parameters stay the same objects, so optimisers may be made before or after. Batch statistics
    become those of all processes. To compile F, use `network.represent.compile()`.

    Args:
        network: G∘q∘F, on its device.
        runtime: of this process.
        in_parts: whether a pass of F may leave out some of its parameters, as with PMG's
            stages; all processes must leave out the same ones.
    """
    if runtime.world == 1:
        return network, SingleProcess()
    shared = share_statistics(network)
    assert isinstance(shared, Network)
    return ParallelNetwork(shared, in_parts), DistributedProcesses(runtime)


def averaged_f(network: Network) -> nn.Module:
    """F of a network from `parallelise`, for further steps; gradients are averaged if needed."""
    return network.averaged_f if isinstance(network, ParallelNetwork) else network.represent


def _data_parallel(module: nn.Module, in_parts: bool) -> nn.Module:
    """The module with averaged gradients; the module itself if it has no trainable parameters."""
    trained = [p for p in module.parameters() if p.requires_grad]
    if not trained:
        return module
    devices = [trained[0].device] if trained[0].is_cuda else None
    known = signature(DistributedDataParallel).parameters
    # Shared statistics make buffers equal in all processes, so they need not be sent.
    unsent: dict[str, Any] = {next(name for name in BUFFERS if name in known): False}
    return DistributedDataParallel(
        module,
        device_ids=devices,
        gradient_as_bucket_view=True,
        find_unused_parameters=in_parts,
        **unsent,
    )
