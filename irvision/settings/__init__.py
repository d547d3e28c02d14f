"""Settings of the image pipeline; loads no torch."""
