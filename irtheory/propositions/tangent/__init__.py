"""Networks linearised at their initialisation: G_θ(x) = f(x; θ0) + J(x)(θ − θ0)."""

from irtheory.propositions.tangent.admission import admissible
from irtheory.propositions.tangent.kernel import KernelPlan, empirical_kernel, plan_kernel
from irtheory.propositions.tangent.linearised import LinearisedNetwork, network_outputs
from irtheory.propositions.tangent.networks import cnn, mlp

__all__ = [
    "KernelPlan",
    "LinearisedNetwork",
    "admissible",
    "cnn",
    "empirical_kernel",
    "mlp",
    "network_outputs",
    "plan_kernel",
]
