"""Methods of training on images; see `contract` for what a module of this package defines."""
