"""What the compiled searches share: vector lanes and worker threads."""
