"""A progress bar on stderr, when a person is looking."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from rmsclient.cli.output import Output, printable


@dataclass(frozen=True)
class ProgressBar:
    """``started`` names what is being worked on, ``advance`` takes numbers of bytes done."""

    started: Callable[[str], None]
    advance: Callable[[int], None]


@contextmanager
def progress_bar(output: Output, total: int) -> Iterator[ProgressBar]:
    """``total`` in bytes. Shows nothing with ``--json`` or when stderr is not a terminal."""
    if not output.shows_progress:
        yield ProgressBar(lambda name: None, lambda count: None)
        return
    # Here, because most commands show no bar and should not wait for the library that draws it.
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total)

        @contextmanager
        def aside() -> Iterator[None]:
            progress.stop()
            yield
            progress.start()

        output.around_line = aside
        try:
            yield ProgressBar(
                lambda name: progress.update(task, description=printable(name)),
                lambda count: progress.advance(task, count),
            )
        finally:
            output.around_line = nullcontext
