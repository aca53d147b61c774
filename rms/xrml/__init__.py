"""XrML 1.2: publishing licenses issued, parsed, verified and opened (protocol.md section 2)."""

from rms.xrml.document import MAX_SIZE, Document, Party, parse_documents
from rms.xrml.issuing import Issuer, Terms, issue_license
from rms.xrml.license import RESERVED_DATA_IDS, PublishingLicense, parse_license
from rms.xrml.names import LocalName, clean_name
from rms.xrml.opening import OpenedLicense, open_license, sealed_session
from rms.xrml.public_key import DigestName, PublicKey
from rms.xrml.rights_document import Grant, RightsDocument
from rms.xrml.text import check_text

__all__ = [
    "MAX_SIZE",
    "RESERVED_DATA_IDS",
    "DigestName",
    "Document",
    "Grant",
    "Issuer",
    "LocalName",
    "OpenedLicense",
    "Party",
    "PublicKey",
    "PublishingLicense",
    "RightsDocument",
    "Terms",
    "check_text",
    "clean_name",
    "issue_license",
    "open_license",
    "parse_documents",
    "parse_license",
    "sealed_session",
]
