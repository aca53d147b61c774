"""Who may let an identity provider be used, where the organization demands a second administrator for super users.

Whoever controls the provider can come in as anybody of the organization, super users among them. So what one
administrator set up alone lets nobody in until another one, who has held the role long enough, puts it into use; where
nobody could, whoever set it up waits as long, as with an appointment (ADR 0067).
"""

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.changes import ChangeRefusedError
from tenants.membership import ADMINISTER
from tenants.models import IdentityProvider, User
from tenants.same_person import is_one_person
from tenants.second_person import WAITING, check_second, long_holders_of


def check_seen_by_two(provider: IdentityProvider, actor: User) -> None:
    """Raises `ChangeRefusedError` unless `actor` may put the set-up into use as it is."""
    if not waits_for_second(provider):
        return
    first, since = provider.set_up_by_id, provider.set_up_at
    assert first is not None and since is not None  # written together
    others = long_holders_of(provider.tenant_id, ADMINISTER).values_list("user_id", flat=True)
    if any(not is_one_person(other, first) for other in others):
        check_second(provider.tenant_id, actor, action=ADMINISTER, first=first)
    elif timezone.now() < since + WAITING:
        raise ChangeRefusedError(
            "too_early",
            _(
                "Nobody else has been a global administrator long enough to put it into use. You can from %(when)s on."
            ),
            when=f"{since + WAITING:%Y-%m-%d %H:%M} UTC",
        )


def waits_for_second(provider: IdentityProvider) -> bool:
    """Whether it is off since somebody set it up, and somebody else has to put it into use."""
    return provider.tenant.needs_approval and provider.set_up_by_id is not None
