"""What the command line does besides serving: one file for each command, imported only when it is used."""
