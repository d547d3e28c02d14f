"""The mathematics of intersection regularisation: trees, objectives, solvers, certificates."""

__version__ = "0.1.0"
