"""Protecting and opening by the functions behind the endpoints, without HTTP: for tests that do it very often."""

import base64
from typing import NamedTuple

from audit.recording import OPENING
from licensing.calls import Call
from licensing.errors import DeviceError
from licensing.issuance import issue_use_license
from licensing.publishing import AdHocPolicy, PublishRequest, publish
from tenants.identity import Caller
from tenants.models import User


class Protected(NamedTuple):
    """What a client has of a document: the license, and the content key that opening has to give back. Both Base64."""

    license: str
    content_key: str


def protect(person: User) -> Protected:
    """A document of `person` that the members of their organization may view."""
    policy = AdHocPolicy(user_rights=((("members",), ("VIEW",)),))
    answer = publish(Call(Caller.of(person), "AcquireLicense"), PublishRequest(None, policy))
    return Protected(answer["SerializedPublishingLicense"], answer["Key"]["Value"])


def opening(person: User, license: str) -> str:
    """The content key that `person` gets for a license, else why they get none."""
    try:
        answer = issue_use_license(Call(Caller.of(person), OPENING), base64.b64decode(license))
    except DeviceError as error:
        return str(error)
    return str(answer["Key"]["Value"] if "Key" in answer else answer.get("Reason", answer["AccessStatus"]))
