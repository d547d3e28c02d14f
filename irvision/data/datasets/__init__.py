"""One file a data set, and the readers that they share."""
