"""The commands on images, one file each: `ira train`, `evaluate`, `plot`, `doctor`, `data`."""
