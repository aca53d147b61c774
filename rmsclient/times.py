"""Times as people read and write them: in the zone of this computer."""

from datetime import UTC, datetime, time


def local_time(moment: datetime) -> str:
    """``2026-03-01 14:05 CET``"""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M %Z")


def iso_utc(moment: datetime | None) -> str | None:
    """``2026-03-01T13:05:00Z``, for machines."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def parse_expiry(text: str) -> datetime:
    """A day (its last second, here) or a time (here, unless it names a zone), as UTC. Raises ValueError."""
    try:
        moment = datetime.fromisoformat(text.strip())
        if "T" not in text.upper() and ":" not in text:
            moment = datetime.combine(moment.date(), time(23, 59, 59))
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"“{text}” is not a date such as 2026-12-31 or 2026-12-31T18:00.") from None
