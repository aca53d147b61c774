"""The field's terms in plain words: rights, levels, who a grant reaches, how an attempt ended."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from licensing.special import SPECIAL_POLICIES
from rms import rights as codes
from tenants import membership
from tenants.models import Tenant

Text = str | Promise

RIGHTS: Final[dict[str, Text]] = {
    codes.VIEW: _("Open and read"),
    codes.VIEWRIGHTSDATA: _("See the policy"),
    codes.EDIT: _("Save changes"),
    codes.DOCEDIT: _("Edit the content"),
    codes.COMMENT: _("Comment"),
    codes.PRINT: _("Print"),
    codes.EXTRACT: _("Copy"),
    codes.REPLY: _("Reply"),
    codes.REPLYALL: _("Reply to all"),
    codes.FORWARD: _("Forward"),
    codes.OBJMODEL: _("Run macros"),
    codes.EXPORT: _("Save without protection"),
    codes.EDITRIGHTSDATA: _("Change the policy"),
    codes.OWNER: _("Full control"),
}
LEVELS: Final[dict[str, Text]] = {
    "VIEWER": _("Viewer"),
    "REVIEWER": _("Reviewer"),
    "AUTHOR": _("Co-Author"),
    "COOWNER": _("Co-Owner"),
}
_SPECIAL: Final = {role: name for role, (name, _description) in SPECIAL_POLICIES.items()}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended, in a word, with the tone of its badge."""

    word: Text
    tone: str


_OUTCOMES: Final = {
    "Success": Outcome(_("Opened"), "good"),
    "AccessDenied": Outcome(_("Refused: no rights"), "bad"),
    "AccessRevoked": Outcome(_("Refused: access revoked"), "bad"),
    "ContentExpired": Outcome(_("Refused: expired"), "warn"),
    "KeyHeld": Outcome(_("Refused: key held"), "warn"),
    "KeyDisabled": Outcome(_("Refused: key disabled"), "warn"),
    "KeyDestroyed": Outcome(_("Refused: key destroyed"), "bad"),
    "ServiceDisabledException": Outcome(_("Refused: service inactive"), "warn"),
}


# What a role may do, in the order of the table on the page of roles.
ACTIONS: Final[dict[str, Text]] = {
    membership.ADMINISTER: _("Change settings, give roles, appoint super users, keep services"),
    membership.READ_SETTINGS: _("See the settings"),
    membership.READ_PEOPLE: _("See people and groups"),
    membership.MANAGE_PEOPLE: _("Invite, change and suspend people, change groups"),
    membership.RESET_FACTORS: _(
        "Reset how somebody signs in (support: only of people without role or power)"
    ),
    membership.MANAGE_SIGN_IN: _("Set up single sign-on and directories"),
    membership.READ_TEMPLATES: _("See all templates"),
    membership.MANAGE_TEMPLATES: _("Change templates"),
    membership.READ_KEYS: _("See keys"),
    membership.MANAGE_KEYS: _(
        "Roll keys, decide when they are rolled; bring, hold and restore own ones; disable old ones; destroy them and export keys, with a second person"
    ),
    membership.READ_LOGS: _("Read logs"),
    membership.TRACK_ALL: _("See the history of every document"),
    membership.REVOKE_ALL: _("Revoke and restore access to every document"),
    membership.PROTECT_FOR_OTHERS: _("Protect in somebody else's name"),
}

CHANGES: Final[dict[str, Text]] = {
    "CreateOrganization": _("Organization started"),
    "Activate": _("Protection activated"),
    "Deactivate": _("Protection switched off"),
    "RollKey": _("New key made"),
    "ActivateKey": _("New key became active"),
    "ResealDocuments": _("Sealing documents to the active key begun"),
    "DocumentsResealed": _("Documents sealed to the active key"),
    "WithdrawKey": _("New key withdrawn"),
    "ChangeRollPolicy": _("When keys are rolled changed"),
    "MakeImportKey": _("Import key made"),
    "ImportKey": _("Own key brought"),
    "DisableKey": _("Key disabled"),
    "EnableKey": _("Key enabled again"),
    "AskKeyDestruction": _("Destruction of a key asked for"),
    "ApproveKeyDestruction": _("Destruction of a key approved"),
    "CancelKeyDestruction": _("Destruction of a key canceled"),
    "DestroyKey": _("Key destroyed"),
    "CertifyKeyDestruction": _("Certificate of a destroyed key made"),
    "HoldKey": _("Key held"),
    "RestoreKey": _("Held key restored"),
    "RecoverKeys": _("Missing keys brought back from a package"),
    "RequestKeyExport": _("Export of keys asked for"),
    "ApproveKeyExport": _("Export of keys approved"),
    "RejectKeyExport": _("Export of keys rejected"),
    "CancelKeyExport": _("Export of keys cancelled"),
    "DownloadKeyExport": _("Exported keys downloaded"),
    "ChangeKeyExportWait": _("Waiting time of key exports changed"),
    "ImportPackage": _("Organization arrived from another installation"),
    "ChooseKeyPlace": _("Where keys are kept changed"),
    "OpenKeyIncident": _("Incident of a key opened"),
    "TakeIncidentStep": _("Step of an incident taken"),
    "CloseKeyIncident": _("Incident of a key closed"),
    "EndAllAccess": _("Everybody signed out"),
    "RevokeAccess": _("Access revoked"),
    "RestoreAccess": _("Access restored"),
    "ChangeAccess": _("Access changed"),
    "ChangeProtectionLimits": _("Limits on granting changed"),
    "CreateService": _("Service added"),
    "RotateServiceSecret": _("New secret of a service"),
    "DeleteService": _("Service deleted"),
    "AddRole": _("Role given"),
    "RemoveRole": _("Role taken away"),
    "EnableSuperUsers": _("Super users switched on"),
    "DisableSuperUsers": _("Super users switched off"),
    "ChangeSuperUserApproval": _("Approval of super users changed"),
    "AddSuperUser": _("Super user appointed"),
    "ApproveSuperUser": _("Super user approved"),
    "RemoveSuperUser": _("Super user ended"),
    "ChangeOnboarding": _("Who may protect changed"),
    "AddTemplate": _("Template made"),
    "ChangeTemplate": _("Draft of a template changed"),
    "DiscardTemplateDraft": _("Draft of a template discarded"),
    "PublishTemplate": _("Template published"),
    "ArchiveTemplate": _("Template archived"),
    "UnarchiveTemplate": _("Template offered again"),
    "MoveTemplate": _("Order of templates changed"),
    "ImportTemplate": _("Template imported"),
    "ExportTemplates": _("Templates exported"),
    "DeleteTemplate": _("Template deleted"),
    "EndProgram": _("Device or app signed out"),
    "IssueToken": _("Access token issued by an operator"),
    "OperatorViewed": _("Looked at by an operator"),
    "OperatorListed": _("Seen in a list by an operator"),
}


def outcome_of(result: str) -> Outcome:
    """What a usage row's result means to people; what is unknown was refused."""
    return _OUTCOMES.get(result) or Outcome(_("Refused"), "bad")


@dataclass(frozen=True, slots=True)
class RightInWords:
    code: str
    word: Text


@dataclass(frozen=True, slots=True)
class GrantInWords:
    """Who gets what: `level` is empty when the rights are not one of the four levels."""

    who: Text
    level: Text
    rights: tuple[RightInWords, ...]


def rights_in_words(rights: Iterable[str]) -> tuple[RightInWords, ...]:
    """Rights with their codes, in their order."""
    return tuple(RightInWords(code, RIGHTS.get(code, code)) for code in rights)


def level_code(held: Iterable[str]) -> str:
    """The level that has exactly these rights; empty when none does."""
    rights = set(held)
    return next((role for role, expected in codes.LEVELS.items() if set(expected) == rights), "")


def level_of(held: Iterable[str]) -> Text:
    """The name of the level or special policy that has exactly these rights; empty when none does."""
    rights, names = set(held), {**LEVELS, **_SPECIAL}
    known = {**codes.LEVELS, **codes.SPECIALS}
    return next((names[role] for role, expected in known.items() if set(expected) == rights), "")


def who_in_words(principal: str, tenant: Tenant, groups: dict[uuid.UUID, str]) -> Text:
    """Whom a grant reaches (protocol.md 1.4), for people."""
    if principal == "members":
        return gettext("Everyone in %(organization)s") % {"organization": tenant.name}
    if principal == "anyone":
        return _("Anybody who signs in")
    if principal == "owner":
        return _("The owner")
    if principal.startswith("@"):
        return gettext("Everyone at %(domain)s") % {"domain": principal[1:]}
    group = _group_id(principal)
    if group is not None:
        return groups.get(group) or _("A group that no longer exists")
    if principal == f"tenant:{tenant.id}":
        return gettext("Everyone in %(organization)s") % {"organization": tenant.name}
    if principal.startswith("tenant:"):
        return gettext("Everyone in another organization (%(id)s…)") % {"id": principal[7:15]}
    return principal


def _group_id(principal: str) -> uuid.UUID | None:
    if not principal.startswith("group:"):
        return None
    try:
        return uuid.UUID(principal[6:])
    except ValueError:
        return None


def days_after_protection(days: int) -> str:
    """When content expires that was given a number of days."""
    return ngettext("%d day after protection", "%d days after protection", days) % days


def offline_in_words(days: int | None, tenant: Tenant) -> Text:
    """How long content may be read without asking again; None: as long as the organization allows."""
    if days == 0:
        return _("Never: every opening asks the service")
    days = tenant.max_use_license_days if days is None else min(days, tenant.max_use_license_days)
    return ngettext("Up to %d day", "Up to %d days", days) % days


def program_in_words(c_info: str) -> str:
    """What a device said about itself ("AppName=…;AppVersion=…;DevicePlatform=…"), as one would say it."""
    told = dict(part.split("=", 1) for part in c_info.split(";") if "=" in part)
    program = " ".join(told[name] for name in ("AppName", "AppVersion") if told.get(name))
    if program and told.get("DevicePlatform"):
        return gettext("%(program)s on %(platform)s") % {
            "program": program,
            "platform": told["DevicePlatform"],
        }
    return program or c_info
