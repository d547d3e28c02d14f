"""Every figure of a run, drawn from the files of its folder."""
