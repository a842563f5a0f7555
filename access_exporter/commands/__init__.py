"""The commands besides serving, one file for each. The command line imports a file only when it runs its command."""
