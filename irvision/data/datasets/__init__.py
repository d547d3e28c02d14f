"""One module per data set, and the readers that they share."""
