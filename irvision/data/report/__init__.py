"""What `ira data list`, `check` and `show` find and print."""
