"""The broker of the one-command start: messages as files, for several workers on one host.

kombu's own `filesystem` transport moves a message to the temporary directory and reads it there. Where that is another
disk the move is a copy, so two workers may take the same message, and whoever is second finds no file and dies of it.
It also lists messages that are still being written. Here a message appears whole, by renaming, and belongs to
whoever manages to unlink it.
"""

import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path
from queue import Empty
from typing import Any, Final

from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, filesystem, virtual
from kombu.utils.json import dumps, loads

SCHEME: Final = "files"
log = logging.getLogger(__name__)
Binding = filesystem.exchange_queue_t


def register() -> None:
    """Make `files://` a broker address in this process."""
    TRANSPORT_ALIASES[SCHEME] = f"{__name__}:Transport"


class Channel(filesystem.Channel):
    """kombu's channel with every step that several processes contend for made indivisible."""

    def _put(self, queue: str, payload: dict[str, Any], **kwargs: Any) -> None:  # type: ignore[override]  # as kombu's own
        name = f"{time.time_ns() // 1000:020d}_{uuid.uuid4()}.{queue}.msg"
        _write_whole(Path(self.data_folder_out), name, dumps(payload))

    def _get(self, queue: str) -> dict[str, Any]:  # type: ignore[override]  # as kombu's own
        folder = Path(self.data_folder_in)
        for name in sorted(os.listdir(folder)):
            if name.partition(".")[2] != f"{queue}.msg":
                continue
            text = _take(folder / name)
            if text is None:
                continue  # another worker was quicker
            try:
                payload: dict[str, Any] = loads(text)
            except ValueError:
                log.warning("a message was damaged and is dropped", extra={"file": name})
            else:
                return payload
        raise Empty

    def get_table(self, exchange: str) -> list[Binding]:  # type: ignore[override]  # as kombu's own
        try:
            return [Binding(*entry) for entry in loads(self._table(exchange).read_bytes())]
        except FileNotFoundError:
            return []

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str | None, queue: str) -> None:
        own = Binding(routing_key or "", pattern or "", queue or "")
        self._change_table(exchange, lambda known: known if own in known else [own, *known])

    def _delete(
        self, queue: str, exchange: str, routing_key: str, pattern: str, *args: Any, **kwargs: Any
    ) -> None:
        virtual.Channel._delete(self, queue, *args, **kwargs)
        own = Binding(routing_key or "", pattern or "", queue or "")
        self._change_table(exchange, lambda known: [binding for binding in known if binding != own])

    def _change_table(self, exchange: str, change: Callable[[list[Binding]], list[Binding]]) -> None:
        file = self._table(exchange)
        file.parent.mkdir(exist_ok=True)
        with _locked(file.parent / ".lock"):
            before = self.get_table(exchange)
            after = change(before)
            if after != before:
                _write_whole(file.parent, file.name, dumps(after))

    def _table(self, exchange: str) -> Path:
        file: Path = self._exchange_file(exchange)  # type: ignore[attr-defined]  # younger than the stubs
        return file


class Transport(filesystem.Transport):
    """`files://localhost`; the folders stand in the transport options, as kombu's `filesystem` has them."""

    Channel = Channel
    global_state = virtual.BrokerState()


def _write_whole(folder: Path, name: str, text: str) -> None:
    """A file that is there with all its text, or not at all."""
    draft = folder / f".{name}.{uuid.uuid4()}"
    try:
        draft.write_text(text, encoding="utf-8")
        draft.rename(folder / name)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise ChannelError(f"The message cannot be written to {folder}: {error.strerror}.") from error


def _take(path: Path) -> bytes | None:
    """The text of a message that is ours from now on; None when it is somebody else's."""
    try:
        text = path.read_bytes()
        path.unlink()  # of all who have read it, one succeeds
    except FileNotFoundError:
        return None
    return text


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as handle:
        flock(handle, LOCK_EX)
        yield
