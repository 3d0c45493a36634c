"""The command line, `lcodec COMMAND` (`lcodec.cli.app`): one file a command; `batch` serves those over many files."""

from lcodec.cli.app import COMMANDS, Terminated, group, main

__all__ = ["COMMANDS", "Terminated", "group", "main"]
