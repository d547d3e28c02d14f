"""Image files as squares of pixels, decoded once and kept in a cache."""
