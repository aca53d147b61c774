"""``protect`` and ``templates``."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from rms.errors import FormatError
from rmsclient.cli.context import CommandGroup, Context
from rmsclient.cli.policy import add_options, check_options, read_policy
from rmsclient.cli.progress import progress_bar
from rmsclient.cli.tally import Tally
from rmsclient.errors import ClientError, Exit
from rmsclient.folders import Failed, Job, Skipped, plan
from rmsclient.licensing import list_templates
from rmsclient.protection import Protected, protect_file
from rmsclient.times import iso_utc


def register(group: CommandGroup) -> None:
    group.add("templates", show_templates, "list the templates you may protect with")
    parser = group.add(
        "protect",
        protect_files,
        "protect files and folders",
        "Makes one protected file beside each original; originals stay unless --in-place. Folders are walked "
        "recursively, symbolic links are not followed. Run again on a folder, what is done already is left alone.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    add_options(parser)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--out", type=Path, metavar="DIR", help="write the protected files there")
    where.add_argument(
        "--in-place", action="store_true", help="remove each original once its copy is safe on disk"
    )
    parser.add_argument("--force", action="store_true", help="replace protected files that are there already")


def show_templates(context: Context) -> Exit:
    templates = list_templates(context.connections.default())
    if templates:
        context.output.table(
            ("NAME", "DESCRIPTION", "ID"), [(t.name, t.description, str(t.id)) for t in templates]
        )
    else:
        context.output.line("There is no template for you to choose.")
    context.output.result(
        {"templates": [{"id": str(t.id), "name": t.name, "description": t.description} for t in templates]}
    )
    return Exit.OK


def protect_files(context: Context) -> Exit:
    args = context.args
    check_options(args)
    planned, jobs = _plan(args.files, args.out)
    tally = Tally(context.output, "protected")
    if jobs:
        transport = context.connections.default()
        policy = read_policy(args, transport)
    with progress_bar(context.output, sum(job.size for job in jobs)) as bar:
        for item in planned:
            if isinstance(item, Failed):
                tally.fail(item.path, item.error)
            elif isinstance(item, Skipped):
                tally.skip(item)
            else:
                bar.started(item.source.name)
                work = partial(
                    protect_file,
                    transport,
                    policy,
                    item,
                    in_place=args.in_place,
                    force=args.force,
                    progress=bar.advance,
                )
                if not _attempt(tally, item, work):
                    break
    tally.summarize(
        len(planned),
        nothing="nothing to protect",
        remark="What was done already keeps the policy it was protected with (--force protects it anew).",
    )
    return tally.code


def _plan(files: list[Path], out: Path | None) -> tuple[list[Job | Skipped | Failed], list[Job]]:
    """Everything to go through, and the jobs in it. The result of an earlier run is no item of its own."""
    found = list(plan(files, out))
    jobs = [item for item in found if isinstance(item, Job)]
    targets = {job.target for job in jobs}
    return [item for item in found if not isinstance(item, Skipped) or item.path not in targets], jobs


def _attempt(tally: Tally, job: Job, work: Callable[[], Protected]) -> bool:
    """Protects one file; False when there is no point in going on with others."""
    try:
        done = work()
    except (ClientError, FormatError, OSError) as problem:
        return tally.fail(job.source, problem)
    tally.done(
        job.source,
        done.path,
        was_there=done.was_there,
        content_id=str(done.content_id),
        policy=done.policy,
        owner=done.owner,
        expires_at=iso_utc(done.expires_at),
        original_removed=done.original_removed,
    )
    return True
