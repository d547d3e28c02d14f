"""One file a command: `ira train`, `evaluate`, `doctor`, `data`."""
