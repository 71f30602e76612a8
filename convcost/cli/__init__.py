"""The command line: the Typer application, a file a command, imported when it is called.

Exit codes: 0 fine, 1 the answer is no, 2 the question was wrong. Data goes to stdout, talk to stderr.
"""

from convcost.cli.app import main

__all__ = ["main"]
