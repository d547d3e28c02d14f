"""Algorithm 1: networks F and G, the quantiser q, and the tree T, trained together."""
