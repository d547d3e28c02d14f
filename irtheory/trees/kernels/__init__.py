"""What the compiled searches share: the decorator, vector lanes and worker threads."""
