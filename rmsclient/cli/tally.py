"""What becomes of many files: each recorded, one failure not stopping the others, and a summary at the end."""

from dataclasses import dataclass, field
from pathlib import Path

from rms.errors import FormatError
from rmsclient.cli.output import Output, error_value
from rmsclient.errors import BadFileError, ClientError, Exit, RefusalError, ServerError, UsageError
from rmsclient.folders import Skipped

_SERVICE_CODES = frozenset(
    {"ServiceDisabledException", "NotSignedUpException", "UnknownTenantException", "KeyHeldException"}
)
# What a file names is no reason to leave the others.
_OF_THE_FILE = frozenset({"other_installation", "no_server_named"})


@dataclass
class Tally:
    """What happened so far; ``doing`` is the status of what succeeds, ``code`` that of the first failure."""

    output: Output
    doing: str
    files: list[dict[str, object]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    code: Exit = Exit.OK

    def __post_init__(self) -> None:
        self.counts = dict.fromkeys((self.doing, "already_done", "skipped", "failed"), 0)

    def done(self, source: Path, path: Path, *, was_there: bool, **facts: object) -> None:
        status = "already_done" if was_there else self.doing
        self.counts[status] += 1
        if not was_there:
            self.output.line(str(path))
        self.files.append({"source": str(source), "path": str(path), "status": status, **facts})

    def skip(self, item: Skipped) -> None:
        self.counts["skipped"] += 1
        self.output.remark(f"{item.path}: skipped, {item.reason}.")
        self.files.append(
            {"source": str(item.path), "path": None, "status": "skipped", "reason": item.reason}
        )

    def fail(self, path: Path, problem: Exception) -> bool:
        """Records a failure; False when there is no point in going on: no connection, no sign-in, no service."""
        failure = _as_client_error(problem, path)
        self.counts["failed"] += 1
        self.code = self.code or failure.exit_code
        error = error_value(failure.code, str(failure), failure.exit_code)
        self.files.append({"source": str(path), "path": None, "status": "failed", "error": error})
        self.output.remark(f"rightskeep: {failure}")
        if isinstance(failure, RefusalError):
            return failure.code not in _SERVICE_CODES
        return not isinstance(failure, ServerError) or failure.code in _OF_THE_FILE

    def summarize(self, planned: int, *, nothing: str, remark: str) -> None:
        """``nothing`` is said when there was nothing to do, ``remark`` of what had been done before."""
        counts = {**self.counts, "not_tried": planned - len(self.files)}
        if planned != 1:
            words = (f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count)
            self.output.remark((", ".join(words) or nothing) + ".")
        if counts["already_done"]:
            self.output.remark(remark)
        result: dict[str, object] = {"files": self.files, "summary": counts}
        if first := next((entry["error"] for entry in self.files if "error" in entry), None):
            result["error"] = first
        self.output.result(result)


def _as_client_error(problem: Exception, path: Path) -> ClientError:
    if isinstance(problem, ClientError):
        return problem
    if isinstance(problem, OSError):
        return UsageError("local_file", f"{problem.filename or path}: {problem.strerror or problem}.")
    code = problem.code if isinstance(problem, FormatError) else "bad_format"
    return BadFileError(code, f"{path}: {problem}")
