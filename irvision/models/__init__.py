"""Networks for images: backbones, F, q and G."""
