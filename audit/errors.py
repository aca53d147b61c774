"""What can go wrong with the logs."""


class AuditError(Exception):
    """Base of this module's errors; `code` is stable, the text is for people."""

    code = "audit_error"


class LogFormatError(AuditError):
    """A text is not a usage log as protocol.md section 6 lays it out."""

    code = "log_format"


class SegmentDamagedError(AuditError):
    """A piece of a daily file is missing from the storage, or is not what was written there."""

    code = "log_segment_damaged"
