"""The figures of a run, drawn from the files in its folder."""
