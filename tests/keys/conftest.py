"""One organization without keys and its administrator."""

import pytest

from tenants.models import Tenant, User


@pytest.fixture
def contoso(db: None) -> Tenant:
    return Tenant.objects.create(slug="contoso", name="Contoso")


@pytest.fixture
def alice(contoso: Tenant) -> User:
    return User.objects.create_user("alice@contoso.example", tenant=contoso)
