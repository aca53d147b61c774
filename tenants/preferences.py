"""How a person wants to be addressed: name, language, time zone. Theirs to change; no organization logs it."""

from tenants.models import User


def set_preferences(
    user: User, *, name: str | None = None, language: str | None = None, time_zone: str | None = None
) -> None:
    """Store what is given; what is None stays as it is."""
    changes = {"name": name, "language": language, "time_zone": time_zone}
    given = {field: value.strip() for field, value in changes.items() if value is not None}
    for field, value in given.items():
        setattr(user, field, value)
    if given:
        user.save(update_fields=[*given])
