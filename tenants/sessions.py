"""The browsers in which a person is signed in, and ending that."""

from typing import Any

from allauth.usersessions.models import UserSession

from tenants.models import User


def sessions_of(user: User) -> list[Any]:
    """Running sessions, the last seen first; what has ended meanwhile is forgotten."""
    found = UserSession.objects.purge_and_list(user)
    return sorted(found, key=lambda session: session.last_seen_at, reverse=True)


def end_session(user: User, session_id: int) -> bool:
    """Sign one of the person's browsers out; False when there is none of that number."""
    session = UserSession.objects.filter(user_id=user.id, id=session_id).first()
    if session is None:
        return False
    session.end()
    return True


def end_sessions_of(user: User, *, except_key: str | None = None) -> int:
    """Sign all browsers of the person out, but that with the session key `except_key`; returns how many."""
    ended = 0
    for session in UserSession.objects.filter(user_id=user.id):
        if session.session_key != except_key:
            session.end()
            ended += 1
    return ended
