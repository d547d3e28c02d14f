"""Why a trained run names what it names for one image."""
