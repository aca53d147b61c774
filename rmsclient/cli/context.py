"""What a command gets to work with, and how it asks before something serious."""

from argparse import ArgumentParser, Namespace, _SubParsersAction
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from rmsclient.administration import Administration
from rmsclient.cli.output import Output
from rmsclient.connection import Connections
from rmsclient.credentials import SignInStore
from rmsclient.errors import Exit, UsageError


@dataclass(frozen=True)
class Context:
    """One run of the command."""

    args: Namespace
    output: Output
    connections: Connections
    store: SignInStore
    environment: Mapping[str, str]

    def administration(self) -> Administration:
        return Administration(self.connections.default())

    def confirm(self, consequence: str) -> None:
        """Goes on only with ``--yes`` or a yes at the terminal. Raises UsageError otherwise."""
        if self.args.yes:
            return
        if not self.output.is_interactive:
            raise UsageError("not_confirmed", f"{consequence} Repeat with --yes if that is what you want.")
        self.output.remark(consequence)
        if input("Go on? [y/N] ").strip().lower() not in ("y", "yes"):
            raise UsageError("not_confirmed", "Nothing was changed.")


Command = Callable[[Context], Exit]


class CommandParser(ArgumentParser):
    """Reports what is wrong with the arguments like every other error, so that ``--json`` covers it."""

    def error(self, message: str) -> NoReturn:
        raise UsageError("usage", f"{message} (see {self.prog} --help)")


class CommandGroup:
    """Registers commands with what all of them share: ``--json`` and ``--url``, before or after the name."""

    def __init__(self, subparsers: "_SubParsersAction[CommandParser]", common: CommandParser) -> None:
        self._subparsers = subparsers
        self._common = common

    def add(self, name: str, run: Command, summary: str, description: str = "") -> CommandParser:
        parser = self._subparsers.add_parser(
            name, parents=[self._common], help=summary, description=description or _sentence(summary)
        )
        parser.set_defaults(run=run)
        return parser

    def subgroup(self, name: str, summary: str) -> "CommandGroup":
        parser = self._subparsers.add_parser(
            name, parents=[self._common], help=summary, description=_sentence(summary)
        )
        nested = parser.add_subparsers(metavar="COMMAND", required=True, dest=f"{name}_command")
        return CommandGroup(nested, self._common)


def _sentence(summary: str) -> str:
    return summary[:1].upper() + summary[1:] + "."
