"""Groups of people and of groups."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.models.base import TenantOwned, TenantQuerySet
from tenants.models.people import User


class Group(TenantOwned):
    """A named set of people and of other groups. `mail` lets a grant name it by address."""

    name = models.CharField(_("name"), max_length=100)
    mail = models.EmailField(max_length=254, blank=True)
    external_id = models.CharField(max_length=254, blank=True)
    from_directory = models.BooleanField(default=False, help_text=_("Kept by directory sync"))
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    objects = TenantQuerySet["Group"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="one_group_per_name"),
            models.UniqueConstraint(
                fields=["tenant", "mail"], condition=~Q(mail=""), name="one_group_per_mail"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class GroupMember(models.Model):
    """A person directly in a group."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["group", "user"], name="one_membership_per_person")]

    def __str__(self) -> str:
        return f"{self.user} in {self.group}"


class GroupNesting(models.Model):
    """A group inside a group. Cycles are harmless: evaluation visits each group once."""

    parent = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="nested")
    child = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="nested_in")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["parent", "child"], name="one_nesting_per_pair"),
            models.CheckConstraint(condition=~Q(parent=models.F("child")), name="no_group_in_itself"),
        ]

    def __str__(self) -> str:
        return f"{self.child} in {self.parent}"
