"""What the command line does besides serving, one file each; imported only when asked for."""
