"""`lcodec completion`: the scripts that let a shell complete lcodec's command lines, and what they are answered.

click answers them with commands, options and choices; the functions here add files by their suffixes, models and
codecs. Answering imports click and reads the models' indexes, no more.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lcodec.errors import LcodecError

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.shell_completion import CompletionItem

    Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

__all__ = ["completion", "files_of", "models_and"]

#: Shell -> its script in `lcodec/share`, which a wheel also puts where the shell looks for it.
SCRIPTS = {
    "bash": "bash-completion/completions/lcodec",
    "zsh": "zsh/site-functions/_lcodec",
    "fish": "fish/vendor_completions.d/lcodec.fish",
}

_EPILOG = """\b
Examples:
  eval "$(lcodec completion bash)"        in ~/.bashrc
  eval "$(lcodec completion zsh)"         in ~/.zshrc, after compinit
  lcodec completion fish | source         in ~/.config/fish/config.fish

An installation under a prefix where the shell looks (/usr, /usr/local) needs none of this.
"""


@click.command(epilog=_EPILOG)
@click.argument("shell", type=click.Choice(list(SCRIPTS)))
def completion(*, shell: str) -> int:
    """Print a script that completes commands, options, files and models in a shell."""
    script = Path(__file__).parents[1] / "share" / SCRIPTS[shell]
    click.echo(script.read_text(), nl=False)
    return 0


def files_of(*suffixes: str) -> Completer:
    """Complete files of these suffixes, in lower and in upper case, and folders. The shell lists them."""

    def complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        names = " ".join([*suffixes, *(suffix.upper() for suffix in suffixes)])
        # Our scripts stop at the first; click's own, which know no "suffixes", offer all files.
        return [CompletionItem(names, type="suffixes"), CompletionItem(incomplete, type="file")]

    return complete


def models_and(*others: str) -> Completer:
    """Complete names of models, other names, and model files."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        from lcodec.zoo import Zoo

        try:
            known = {entry.name: entry.summary for entry in Zoo().entries()}
        except LcodecError:  # the command itself will say so
            known = {}
        known |= dict.fromkeys(others, "")
        names = [CompletionItem(name, help=what) for name, what in known.items() if name.startswith(incomplete)]
        return names or files_of("safetensors")(context, parameter, incomplete)

    return complete
