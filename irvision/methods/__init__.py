"""Methods of training on images; `contract` says what a file of this package holds."""
