"""What the nightly sweep removes, and what it leaves."""

from datetime import timedelta

import pytest
from allauth.idp.oidc.models import Token
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.utils import timezone

from portal.tasks import clean_up
from tests.conftest import World, make_token


@pytest.mark.django_db
def test_expired_sessions_and_tokens_go_valid_ones_stay(world: World):
    kept, gone = SessionStore(), SessionStore()
    kept.set_expiry(timedelta(hours=1))
    gone.set_expiry(timedelta(hours=-1))
    for session in (kept, gone):
        session["person"] = "alice"
        session.save()
    alice = world.person("alice")
    make_token(alice, minutes=5)
    make_token(alice, minutes=-5)
    Token.objects.create(type=Token.Type.REFRESH_TOKEN, hash="for ever", user=alice)
    clean_up()
    clean_up()
    assert [session.session_key for session in Session.objects.all()] == [kept.session_key]
    left = Token.objects.all()
    assert len(left) == 2
    assert all(token.expires_at is None or token.expires_at > timezone.now() for token in left)
