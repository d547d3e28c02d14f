"""The random state of torch in every process that trains, so that a run goes on bit for bit."""

from __future__ import annotations

import torch
from torch import Tensor

from irtheory.peers import Peers
from irtheory.records import Collected


def random_states(peers: Peers, device: torch.device) -> dict[str, Tensor]:
    """States of the host's generator, and of the device's if it has one; a row a process."""
    states = {"cpu": _of_all(torch.get_rng_state(), peers, device)}
    if device.type == "cuda":
        states["cuda"] = _of_all(torch.cuda.get_rng_state(device), peers, device)
    return states


def _of_all(state: Tensor, peers: Peers, device: torch.device) -> Tensor:
    none = torch.zeros(1, device=device)
    row = Collected(state.to(device)[None], none[:, None], none.long())
    return peers.gather(row).codes.cpu()


def set_random_states(states: dict[str, Tensor], peers: Peers, device: torch.device) -> None:
    """Take up one's own state; a process that was not there draws from a seed of its rank."""
    rank = peers.rank
    if rank >= len(states["cpu"]):
        torch.manual_seed(int.from_bytes(states["cpu"][0, :4].numpy().tobytes(), "little") + rank)
        return
    # A copy: given a view of a row, torch was seen to crash.
    torch.set_rng_state(states["cpu"][rank].clone())
    if device.type == "cuda" and rank < len(states.get("cuda", ())):
        torch.cuda.set_rng_state(states["cuda"][rank].clone(), device)
