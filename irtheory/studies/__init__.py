"""What the commands run: settings in, frozen results out."""
