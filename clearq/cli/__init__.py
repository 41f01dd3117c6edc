"""The command line: one file a noun. :mod:`clearq.cli.main` finds the noun and imports only its file."""
