"""``protect`` and ``templates``."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from rms.errors import FormatError
from rmsclient.cli.context import CommandGroup, Context
from rmsclient.cli.output import error_value
from rmsclient.cli.policy import add_options, check_options, read_policy
from rmsclient.cli.progress import progress_bar
from rmsclient.errors import BadFileError, ClientError, Exit, RefusalError, ServerError, UsageError
from rmsclient.folders import Failed, Job, Skipped, plan
from rmsclient.licensing import list_templates
from rmsclient.protection import Protected, protect_file
from rmsclient.times import iso_utc

_SERVICE_CODES = frozenset({"ServiceDisabledException", "NotSignedUpException", "UnknownTenantException"})


@dataclass
class _Tally:
    """What happened so far; ``code`` is that of the first failure."""

    files: list[dict[str, object]] = field(default_factory=list)
    protected: int = 0
    already_done: int = 0
    skipped: int = 0
    failed: int = 0
    code: Exit = Exit.OK


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
    tally = _Tally()
    if jobs:
        transport = context.connections.default()
        policy = read_policy(args, transport)
    with progress_bar(context.output, sum(job.size for job in jobs)) as bar:
        for item in planned:
            if isinstance(item, Failed):
                _record_failure(context, tally, item.path, item.error)
            elif isinstance(item, Skipped):
                _record_skip(context, tally, item)
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
                if not _attempt(context, tally, item, work):
                    break
    _summarize(context, tally, len(planned))
    return tally.code


def _plan(files: list[Path], out: Path | None) -> tuple[list[Job | Skipped | Failed], list[Job]]:
    """Everything to go through, and the jobs in it. The result of an earlier run is no item of its own."""
    found = list(plan(files, out))
    jobs = [item for item in found if isinstance(item, Job)]
    targets = {job.target for job in jobs}
    return [item for item in found if not isinstance(item, Skipped) or item.path not in targets], jobs


def _attempt(context: Context, tally: _Tally, job: Job, work: Callable[[], Protected]) -> bool:
    """Protects one file; False when there is no point in going on with others."""
    try:
        done = work()
    except (ClientError, FormatError, OSError) as problem:
        failure = _as_client_error(problem, job.source)
        _record_failure(context, tally, job.source, failure)
        return not _concerns_all(failure)
    _record_success(context, tally, job, done)
    return True


def _concerns_all(failure: ClientError) -> bool:
    """Whether every other file would meet the same: no connection, no sign-in, no service."""
    if isinstance(failure, RefusalError):
        return failure.code in _SERVICE_CODES
    return isinstance(failure, ServerError)


def _record_success(context: Context, tally: _Tally, job: Job, done: Protected) -> None:
    if done.was_there:
        tally.already_done += 1
    else:
        tally.protected += 1
        context.output.line(str(done.path))
    tally.files.append(
        {
            "source": str(job.source),
            "path": str(done.path),
            "status": "already_done" if done.was_there else "protected",
            "content_id": str(done.content_id),
            "policy": done.policy,
            "owner": done.owner,
            "expires_at": iso_utc(done.expires_at),
            "original_removed": done.original_removed,
        }
    )


def _record_skip(context: Context, tally: _Tally, item: Skipped) -> None:
    tally.skipped += 1
    context.output.remark(f"{item.path}: skipped, {item.reason}.")
    tally.files.append({"source": str(item.path), "path": None, "status": "skipped", "reason": item.reason})


def _record_failure(context: Context, tally: _Tally, path: Path, failure: ClientError) -> None:
    tally.failed += 1
    tally.code = tally.code or failure.exit_code
    error = error_value(failure.code, str(failure), failure.exit_code)
    tally.files.append({"source": str(path), "path": None, "status": "failed", "error": error})
    context.output.remark(f"rightskeep: {failure}")


def _summarize(context: Context, tally: _Tally, planned: int) -> None:
    left = planned - len(tally.files)
    counts = {
        "protected": tally.protected,
        "already_done": tally.already_done,
        "skipped": tally.skipped,
        "failed": tally.failed,
        "not_tried": left,
    }
    if planned != 1:
        words = (f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count)
        context.output.remark((", ".join(words) or "nothing to protect") + ".")
    if tally.already_done:
        context.output.remark(
            "What was done already keeps the policy it was protected with (--force protects it anew)."
        )
    result: dict[str, object] = {"files": tally.files, "summary": counts}
    if first := next((entry["error"] for entry in tally.files if "error" in entry), None):
        result["error"] = first
    context.output.result(result)


def _as_client_error(problem: Exception, path: Path) -> ClientError:
    if isinstance(problem, ClientError):
        return problem
    if isinstance(problem, OSError):
        return UsageError("local_file", f"{problem.filename or path}: {problem.strerror or problem}.")
    code = problem.code if isinstance(problem, FormatError) else "bad_format"
    return BadFileError(code, f"{path}: {problem}")
