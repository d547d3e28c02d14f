"""The work and the output of `ira data list`, `check` and `show`."""
