"""Networks linearised at their initialisation: G_θ(x) = f(x; θ0) + J(x)(θ − θ0)."""

from irtheory.tangent.admission import admissible
from irtheory.tangent.kernel import KernelPlan, empirical_kernel, plan_kernel
from irtheory.tangent.linearised import LinearisedNetwork, network_outputs
from irtheory.tangent.networks import cnn, mlp

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
