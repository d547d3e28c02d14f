"""Optimisers and learning rate schedules of F and G."""

from __future__ import annotations

from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler

from irtheory.intersection.network import Network
from irvision.models.features import parameter_groups
from irvision.settings.train import TrainSettings


def optimisers(network: Network, settings: TrainSettings) -> tuple[Optimizer, Optimizer]:
    """Optimiser of F, whose backbone may have its own learning rate, and optimiser of G."""
    represent, rate = network.represent, settings.learning_rate
    if settings.freeze_backbone:
        groups: list[dict] = [{"params": list(represent.parameters()), "lr": rate}]
    else:
        groups = parameter_groups(represent, settings.backbone_factor, rate)
    head = [{"params": list(network.classify.parameters()), "lr": rate}]
    return _optimiser(groups, settings), _optimiser(head, settings)


def _optimiser(groups: list[dict], settings: TrainSettings) -> Optimizer:
    fused = _on_gpu(groups)
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimiser == "adamw":
        return AdamW(groups, lr=rate, weight_decay=decay, fused=fused)
    # Fused SGD needs gradients of all parameters in its first step; a stage of PMG uses only some.
    fused = fused and not settings.progressive
    return SGD(groups, lr=rate, momentum=settings.momentum, weight_decay=decay, fused=fused)


def _on_gpu(groups: list[dict]) -> bool:
    return groups[-1]["params"][0].is_cuda


def schedulers(
    both: tuple[Optimizer, Optimizer], settings: TrainSettings, steps: int
) -> list[LRScheduler]:
    """Cosine schedules from the learning rate to 0 over `steps` batches, or none."""
    if settings.schedule == "constant":
        return []
    return [CosineAnnealingLR(optimiser, steps) for optimiser in both]
