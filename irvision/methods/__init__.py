"""Methods of training on images, one file each; `contract` says what such a file holds."""
