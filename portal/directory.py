"""Directory sync in the settings: where the directory is sent to, its secrets, and what it did last."""

import uuid
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from administration.scim.endpoints import base_url
from audit.models import AdminEvent
from portal.access import MemberRequest, fresh_sign_in, member_page
from portal.forms.directory import TokenForm
from tenants.changes import Actor, ChangeRefusedError
from tenants.membership import ADMINISTER
from tenants.models import DirectoryEntry, Group, ScimToken
from tenants.scim_tokens import create_token, find_token, revoke_token

_SHOWN_CHANGES = 10


@never_cache
@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
@fresh_sign_in
def directory(request: MemberRequest) -> HttpResponse:
    """All tokens; makes one, whose secret stands on this answer and nowhere else."""
    form, secret = TokenForm(request.POST or None), ""
    if request.method == "POST" and form.is_valid():
        try:
            _token, secret = create_token(
                request.tenant,
                form.cleaned_data["name"],
                actor=Actor.of(request.user),
                expires_at=form.expires_at,
            )
            form = TokenForm()
        except ChangeRefusedError as error:
            form.add_error("name", str(error))
    context = _facts(request) | {"form": form, "secret": secret}
    return render(request, "portal/directory.html", context, status=400 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
@fresh_sign_in
def token_revoke(request: MemberRequest, token_id: uuid.UUID) -> HttpResponse:
    """Say what ends, then end it."""
    token = find_token(request.tenant, token_id)
    if token is None:
        raise Http404
    if request.method == "POST":
        revoke_token(token, actor=Actor.of(request.user))
        messages.success(request, _("%(name)s has been revoked.") % {"name": token.name})
        return redirect("directory")
    return render(request, "portal/directory_revoke.html", {"token": token} | _counts(request))


def _facts(request: MemberRequest) -> dict[str, Any]:
    tokens = list(ScimToken.objects.for_tenant(request.tenant).order_by("created_at"))
    events = AdminEvent.objects.filter(  # unscoped: the log has no relations; this is its tenant
        tenant_id=request.tenant.id, actor_id__in=[token.id for token in tokens]
    )
    return {
        "address": base_url(request.tenant),
        "tokens": tokens,
        "events": events.order_by("-time")[:_SHOWN_CHANGES] if tokens else [],
    } | _counts(request)


def _counts(request: MemberRequest) -> dict[str, int]:
    return {
        "people": DirectoryEntry.objects.for_tenant(request.tenant).count(),
        "groups": Group.objects.for_tenant(request.tenant).filter(from_directory=True).count(),
    }
