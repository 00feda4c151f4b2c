"""One file per way in: the only modules that touch stdin, files and exit codes."""
