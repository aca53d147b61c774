"""Entry point of ``rightskeep``: arguments in, one outcome out, whatever happens in between."""

import os
import signal
import sys
from argparse import SUPPRESS
from collections.abc import Mapping, Sequence
from types import FrameType

from rms.errors import FormatError
from rmsclient import __version__
from rmsclient.cli import (
    account,
    administrate,
    directory,
    documents,
    exchange,
    incidents,
    key_custody,
    key_ends,
    key_export,
    key_recovery,
    keys,
    logs,
    organization,
    powers,
    protect,
    read,
    reseal,
    rights,
    sign_on,
    templates,
)
from rmsclient.cli.context import CommandGroup, CommandParser, Context
from rmsclient.cli.output import Output
from rmsclient.connection import Connections
from rmsclient.credentials import SignInStore
from rmsclient.errors import ClientError, Exit

EPILOG = """exit codes: 0 done; 2 usage or local files; 3 no rights; 4 expired or revoked;
5 not a protected file, damaged or altered; 6 server, network, sign-in or service inactive"""


def build_parser() -> CommandParser:
    """The whole command line."""
    common = CommandParser(add_help=False)
    common.add_argument(
        "--json", action="store_true", default=SUPPRESS, help="print one JSON document instead of text"
    )
    common.add_argument(
        "--url",
        default=SUPPRESS,
        metavar="URL",
        help="the server to work with (else RIGHTSKEEP_URL or the sign-in)",
    )
    parser = CommandParser(
        prog="rightskeep",
        parents=[common],
        description="Protects files for named people, opens what others protected, and tracks who read it.",
        epilog=EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"rightskeep {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True, dest="command")
    group = CommandGroup(subparsers, common)
    account.register(group)
    protect.register(group)
    read.register(group)
    reseal.register(group)
    documents.register(group)
    rights.register(group)
    admin = group.subgroup("admin", "administer the organization")
    templates_group = templates.register(admin)
    exchange.register(templates_group)
    rights.register_admin(admin, templates_group)
    organization.register(admin, administrate.organization_group(admin))
    powers.register(admin)
    key_group = keys.register(admin)
    key_custody.register(key_group)
    key_export.register(key_group)
    key_recovery.register(key_group)
    key_ends.register(key_group)
    incidents.register(key_group)
    logs.register(admin)
    sign_on.register(admin)
    directory.register(admin)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    output = Output(as_json="--json" in given)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        return run(given, os.environ, SignInStore(), output)
    except KeyboardInterrupt:
        output.failure("interrupted", "Interrupted; nothing half-written was left behind.", Exit.INTERRUPTED)
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader of our output is gone; keep the interpreter from complaining about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.INTERRUPTED


def run(arguments: Sequence[str], environment: Mapping[str, str], store: SignInStore, output: Output) -> Exit:
    """One command with its errors turned into output and exit code."""
    try:
        args = build_parser().parse_args(arguments)
        with Connections(environment, store, getattr(args, "url", None)) as connections:
            code: Exit = args.run(Context(args, output, connections, store, environment))
            return code
    except ClientError as failure:
        output.error(failure)
        return failure.exit_code
    except FormatError as failure:
        output.failure(failure.code, str(failure), Exit.BAD_FILE)
        return Exit.BAD_FILE
    except BrokenPipeError:
        raise
    except OSError as failure:
        output.failure("local_file", _describe(failure), Exit.USAGE)
        return Exit.USAGE


def _describe(failure: OSError) -> str:
    reason = failure.strerror or str(failure) or type(failure).__name__
    return f"{failure.filename}: {reason}." if failure.filename else f"{reason}."


def _terminate(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
