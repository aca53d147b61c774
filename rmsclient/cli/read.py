"""``open``, ``unprotect``, ``inspect``."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rms.integrity import Integrity, IntegrityState
from rms.rights import EXPORT, VIEW, implies
from rmsclient.cli.context import CommandGroup, CommandParser, Context
from rmsclient.cli.progress import progress_bar
from rmsclient.errors import Exit, UsageError
from rmsclient.inspection import is_altered, report_on, sentence
from rmsclient.offline import REMARK, opened_with, read_keys
from rmsclient.opening import Document, open_for_viewing, opened, write_unprotected
from rmsclient.times import iso_utc, local_time


def register(group: CommandGroup) -> None:
    read = group.add(
        "open",
        open_file,
        "open a protected file for viewing",
        "Decrypts the file into a private temporary folder and prints the path; it is removed by a later "
        "command, a day from now at the earliest. Says on stderr whether the file is as it was protected.",
    )
    read.add_argument("file", type=Path, metavar="FILE")
    read.add_argument("--stdout", action="store_true", help="write the content to stdout instead")
    read.add_argument("--force", action="store_true", help="open the file although it was altered")
    _offline_options(read)
    unprotect = group.add(
        "unprotect",
        unprotect_file,
        "write an unprotected copy",
        "Writes an unprotected copy beside the protected file, which stays. Needs the right EXPORT.",
    )
    unprotect.add_argument("file", type=Path, metavar="FILE")
    unprotect.add_argument("--out", type=Path, metavar="FILE", help="where to write it (a file, or a folder)")
    unprotect.add_argument(
        "--force", action="store_true", help="replace an existing file; accept an altered document"
    )
    _offline_options(unprotect)
    inspect = group.add(
        "inspect",
        inspect_file,
        "show what a protected file says about itself, without a server",
        "Shows who protected a file, when, at which server and with which template, and whether it is "
        "unaltered since, measured with the key in the file: whose key that is only the server can tell.",
    )
    inspect.add_argument("file", type=Path, metavar="FILE")


def _offline_options(parser: CommandParser) -> None:
    parser.add_argument(
        "--package",
        type=Path,
        metavar="FILE",
        help="open with exported keys: without a server, and without regard to rights, expiry and revocation",
    )
    parser.add_argument(
        "--recipient-key", type=Path, metavar="FILE", help="the private key that the package was made for"
    )


@contextmanager
def _opened(context: Context) -> Iterator[Document]:
    """By the server that the file names, or with the keys that were given."""
    args = context.args
    if (args.package is None) != (args.recipient_key is None):
        raise UsageError("usage", "--package and --recipient-key belong together.")
    if args.package is None:
        with opened(context.connections, args.file) as document:
            yield document
        return
    keys = read_keys(args.package, args.recipient_key)
    with opened_with(keys, args.file) as document:
        context.output.remark(REMARK)
        yield document


def open_file(context: Context) -> Exit:
    args = context.args
    with _opened(context) as document:
        if args.stdout:
            path, integrity = None, _to_stdout(context, document)
        else:
            with progress_bar(context.output, document.file.content_length) as bar:
                bar.started(args.file.name)
                path, integrity = open_for_viewing(document, force=args.force, progress=bar.advance)
        _state_integrity(context, document, integrity)
        if path:
            context.output.line(str(path))
        context.output.result(_opened_value(document, integrity, path))
    return Exit.OK


def unprotect_file(context: Context) -> Exit:
    args = context.args
    with _opened(context) as document:
        target = args.out or args.file.parent
        if target.is_dir():
            target = target / document.original_name
        with progress_bar(context.output, document.file.content_length) as bar:
            bar.started(args.file.name)
            integrity = write_unprotected(
                document, target, force=args.force, overwrite=args.force, progress=bar.advance
            )
        _state_integrity(context, document, integrity)
        context.output.line(str(target))
        context.output.result(_opened_value(document, integrity, target))
    return Exit.OK


def inspect_file(context: Context) -> Exit:
    report = report_on(context.args.file)
    license, file = report.inspection.license, report.inspection.file
    record = report.integrity.record
    names = license.names
    context.output.fields(
        [
            ("File", str(context.args.file)),
            ("Protected by", record.publisher_address if record else ""),
            ("Owner", license.owner_address),
            ("Organization", license.issuer_name),
            ("Server", license.licensing_url or ""),
            ("Policy", names[0].name if names else ""),
            ("Protected on", local_time(license.issued_at)),
            ("Expires", local_time(license.valid_until) if license.valid_until else ""),
            ("Content id", str(license.content_id)),
            ("Original", _original(file.extension, file.original_size)),
            ("Integrity", sentence(report.integrity)),
            ("Signed by key", license.fingerprint),
        ]
    )
    context.output.result(
        {
            "file": str(context.args.file),
            "content_id": str(license.content_id),
            "publisher": record.publisher_address if record else None,
            "sealed_at": iso_utc(record.sealed_at) if record else None,
            "owner": license.owner_address,
            "organization": license.issuer_name,
            "tenant_id": str(license.tenant_id) if license.tenant_id else None,
            "server": license.licensing_url,
            "template_id": str(license.descriptor_id) if license.descriptor_id else None,
            "names": [{"lcid": n.lcid, "name": n.name, "description": n.description} for n in names],
            "issued_at": iso_utc(license.issued_at),
            "expires_at": iso_utc(license.valid_until),
            "extension": file.extension,
            "original_size": file.original_size,
            "pfile_version": f"{file.version[0]}.{file.version[1]}",
            "integrity": report.integrity.state.name.lower(),
            "key_fingerprint": license.fingerprint,
        }
    )
    return Exit.BAD_FILE if report.integrity.state is IntegrityState.ALTERED else Exit.OK


def _to_stdout(context: Context, document: Document) -> Integrity:
    """Two passes: nobody downstream gets a byte of a file that turns out to be altered."""
    document.require(VIEW, "view")
    integrity = document.check(force=context.args.force)
    target = context.output.content_stream()
    if stat.S_ISREG(os.fstat(target.fileno()).st_mode) and not implies(document.use.rights, EXPORT):
        context.output.remark(
            "You may view this document, not keep an unprotected copy of it (that takes EXPORT)."
        )
    document.decrypt(target, force=context.args.force)
    target.flush()
    return integrity


def _state_integrity(context: Context, document: Document, integrity: Integrity) -> None:
    if is_altered(integrity, document.use.integrity_root):
        context.output.remark("Warning: this file was altered after protection.")
    else:
        context.output.remark(sentence(integrity))


def _opened_value(document: Document, integrity: Integrity, path: Path | None) -> dict[str, object]:
    use, record = document.use, integrity.record
    altered = is_altered(integrity, use.integrity_root)
    return {
        "file": str(document.path),
        "path": str(path) if path else None,
        "content_id": str(document.license.content_id),
        "rights": list(use.rights),
        "owner": use.owner,
        "issued_to": use.issued_to,
        "policy": use.name,
        "content_valid_until": iso_utc(use.content_valid_until),
        "license_valid_until": iso_utc(use.valid_until),
        "integrity": "altered" if altered else integrity.state.name.lower(),
        "publisher": record.publisher_address if record and not altered else None,
        "sealed_at": iso_utc(record.sealed_at) if record and not altered else None,
    }


def _original(extension: str, size: int | None) -> str:
    parts = [extension, f"{size:,} bytes" if size is not None else ""]
    return ", ".join(filter(None, parts))
