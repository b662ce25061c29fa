"""What the trainer does by hand: a command is a file. What takes long to import is imported where it is used."""
