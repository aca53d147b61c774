"""``reseal``."""

from pathlib import Path

from rms.errors import FormatError
from rmsclient.cli.context import CommandGroup, Context
from rmsclient.cli.progress import progress_bar
from rmsclient.cli.tally import Tally
from rmsclient.errors import ClientError, Exit
from rmsclient.folders import ProtectedFile, Skipped, find_protected
from rmsclient.resealing import Resealer


def register(group: CommandGroup) -> None:
    parser = group.add(
        "reseal",
        reseal_files,
        "seal protected files to their organization's active key",
        "Replaces each protected file by the same document under a license of the key that is active now, so that it "
        "opens without the key it was protected with. Content, policy, people and times stay. Takes the file's "
        "publisher or owner, the right to edit, or a super user. Folders are walked recursively, symbolic links are not "
        "followed. Run again on a folder, what is done already is left alone.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")


def reseal_files(context: Context) -> Exit:
    tally = Tally(context.output, "resealed")
    resealer = Resealer(context.connections)
    planned = list(find_protected(context.args.files))
    # Each file is read twice: to see that it is unaltered, and to copy it.
    total = 2 * sum(item.size for item in planned if isinstance(item, ProtectedFile))
    with progress_bar(context.output, total) as bar:
        for item in planned:
            if isinstance(item, Skipped):
                tally.skip(item)
            elif not isinstance(item, ProtectedFile):
                tally.fail(item.path, item.error)
            else:
                bar.started(item.path.name)
                try:
                    was_there = not resealer.reseal(item.path, bar.advance)
                except (ClientError, FormatError, OSError) as problem:
                    if not tally.fail(item.path, problem):
                        break
                else:
                    tally.done(item.path, item.path, was_there=was_there)
    tally.summarize(
        len(planned), nothing="nothing to seal", remark="What was done already is sealed to the active key."
    )
    return tally.code
