"""The shapes of requests: JSON from strangers becomes the domain's own values, or a sentence about what is wrong."""

import json
import re
from typing import Any

from rest_framework import serializers

from licensing.errors import BadInputError
from licensing.publishing import AdHocPolicy, PublishRequest
from licensing.wire import OUTSIDERS_NEED_FACTOR, parse_guid, parse_time
from rms.xrml import RESERVED_DATA_IDS

MAX_ENTRIES = 2000
_REFERRAL = re.compile(r"(mailto:|https?://)[^\s\"<>]{1,500}", re.IGNORECASE)


class DataField(serializers.DictField):
    """`{name: text}` application data; its texts keep their blanks."""

    child = serializers.CharField(allow_blank=True, trim_whitespace=False, max_length=100_000)


def _list_of(child: serializers.Serializer[Any], length: int) -> serializers.ListField:
    return serializers.ListField(child=child, max_length=length, required=False, allow_null=True)


class UserRightsSerializer(serializers.Serializer[Any]):
    Users = serializers.ListField(child=serializers.CharField(max_length=300), max_length=MAX_ENTRIES)
    Rights = serializers.ListField(child=serializers.CharField(max_length=256), max_length=200)


class UserRolesSerializer(serializers.Serializer[Any]):
    Users = serializers.ListField(child=serializers.CharField(max_length=300), max_length=MAX_ENTRIES)
    Roles = serializers.ListField(child=serializers.CharField(max_length=40), max_length=20)


class DescriptorSerializer(serializers.Serializer[Any]):
    Name = serializers.CharField(max_length=1000, allow_blank=True, default="")
    Description = serializers.CharField(max_length=5000, allow_blank=True, default="")
    Language = serializers.CharField(max_length=40, allow_blank=True, default="C")


class PolicySerializer(serializers.Serializer[Any]):
    Descriptors = _list_of(DescriptorSerializer(), 200)
    UserRights = _list_of(UserRightsSerializer(), MAX_ENTRIES)
    UserRoles = _list_of(UserRolesSerializer(), MAX_ENTRIES)
    # The one name of the protocol that begins small.
    allowOfflineAccess = serializers.BooleanField(default=True)  # noqa: N815
    IntervalTimeInDays = serializers.IntegerField(default=0, min_value=-(2**31), max_value=2**31 - 1)
    LicenseValidUntil = serializers.CharField(
        max_length=40, required=False, allow_null=True, allow_blank=True
    )
    EncryptedApplicationData = DataField(required=False, allow_null=True)


class PublishSerializer(serializers.Serializer[Any]):
    TemplateId = serializers.CharField(max_length=60, required=False, allow_null=True)
    Policy = PolicySerializer(required=False, allow_null=True)
    PreferDeprecatedAlgorithms = serializers.BooleanField(default=False)
    AllowAuditedExtraction = serializers.BooleanField(default=False)
    ReferralInfo = serializers.CharField(max_length=600, required=False, allow_null=True, allow_blank=True)
    SignedApplicationData = DataField(required=False, allow_null=True)
    Owner = serializers.CharField(max_length=254, required=False, allow_null=True, allow_blank=True)
    FileName = serializers.CharField(max_length=1000, required=False, allow_null=True, allow_blank=True)
    Sealed = serializers.BooleanField(default=False)
    OutsidersNeedSecondFactor = serializers.BooleanField(default=False)


def parse_json(body: bytes) -> dict[str, Any]:
    """A JSON object from a request body. Raises `BadInputError`."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadInputError("The request is not JSON.") from error
    if not isinstance(value, dict):
        raise BadInputError("The request is not a JSON object.")
    return value


def read_publish_request(data: dict[str, Any]) -> PublishRequest:
    """A request for a publishing license (protocol.md 1.4). Raises `BadInputError`."""
    values = _validated(PublishSerializer(data=data))
    template, policy = values.get("TemplateId"), values.get("Policy")
    if template and policy:
        raise BadInputError("Name either a TemplateId or a Policy, not both.")
    signed = values.get("SignedApplicationData") or {}
    reserved = next((name for name in signed if name in RESERVED_DATA_IDS), None)
    if reserved is not None:
        raise BadInputError(f"The name {reserved[:80]} is reserved for the service.")
    if values["OutsidersNeedSecondFactor"]:
        if not policy:
            raise BadInputError(
                "OutsidersNeedSecondFactor goes with a Policy; a template decides for itself."
            )
        signed = {**signed, OUTSIDERS_NEED_FACTOR: "true"}
    referral = values.get("ReferralInfo") or None
    if referral is not None and not _REFERRAL.fullmatch(referral):
        raise BadInputError("ReferralInfo must be a mailto: or http(s) address.")
    return PublishRequest(
        template_id=parse_guid(template) if template else None,
        policy=_read_policy(policy) if policy else None,
        short_key=values["PreferDeprecatedAlgorithms"],
        allow_audited_extraction=values["AllowAuditedExtraction"],
        referral=referral,
        signed_data=tuple(signed.items()),
        owner=values.get("Owner") or "",
        file_name=_base_name(values.get("FileName") or ""),
        sealed=values["Sealed"],
    )


def _read_policy(values: dict[str, Any]) -> AdHocPolicy:
    rights, roles = values.get("UserRights") or [], values.get("UserRoles") or []
    if not rights and not roles:
        raise BadInputError("The policy grants nothing to anybody: it needs UserRights or UserRoles.")
    until = values.get("LicenseValidUntil")
    return AdHocPolicy(
        user_rights=tuple((tuple(entry["Users"]), tuple(entry["Rights"])) for entry in rights),
        user_roles=tuple((tuple(entry["Users"]), tuple(entry["Roles"])) for entry in roles),
        descriptors=tuple(
            (entry["Language"], entry["Name"], entry["Description"])
            for entry in values.get("Descriptors") or []
        ),
        offline=values["allowOfflineAccess"],
        interval_days=values["IntervalTimeInDays"],
        expires_at=parse_time(until) if until else None,
        encrypted_data=tuple((values.get("EncryptedApplicationData") or {}).items()),
    )


def _base_name(name: str) -> str:
    """Only the last part of what may be a path on somebody's disk."""
    return name.replace("\\", "/").rpartition("/")[2][:255]


def _validated(serializer: serializers.Serializer[Any]) -> dict[str, Any]:
    if not serializer.is_valid():
        raise BadInputError(_first_problem(serializer.errors))
    values: dict[str, Any] = serializer.validated_data
    return values


def _first_problem(errors: Any, path: str = "") -> str:
    """One sentence about the first thing that is wrong, with where it stands."""
    while isinstance(errors, (dict, list)) and errors:
        if isinstance(errors, dict):
            name, errors = next(iter(errors.items()))
            path = path if name == "non_field_errors" else f"{path}.{name}".lstrip(".")
        else:
            errors = next(error for error in errors if error)
    return f"{path}: {errors}" if path else str(errors)
