"""What every command shares: run folders, files, locks, the console and the style of figures."""
