"""One organization without keys and its administrator; a token to keep keys in."""

from typing import Any

import pytest

from tenants.models import Tenant, User
from tests.keys.tokens import SoftToken, library, make_token


@pytest.fixture
def contoso(db: None) -> Tenant:
    return Tenant.objects.create(slug="contoso", name="Contoso")


@pytest.fixture
def alice(contoso: Tenant) -> User:
    return User.objects.create_user("alice@contoso.example", tenant=contoso)


@pytest.fixture(scope="session")
def _soft_token(tmp_path_factory: pytest.TempPathFactory) -> SoftToken:
    """Made once; keys of one test do not meet those of another, since each has its id."""
    if not library():
        pytest.skip("SoftHSM is not installed")
    return make_token(tmp_path_factory.mktemp("softhsm"))


@pytest.fixture
def soft_token(_soft_token: SoftToken, settings: Any) -> SoftToken:
    """A hardware security module that the settings name, in which new keys are made."""
    _soft_token.configure(settings)
    settings.NEW_KEYS = "pkcs11"
    return _soft_token
