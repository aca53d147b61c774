"""Mail that leaves with the change it tells of: queued in the same transaction, sent by a job that may be killed.

A mail is claimed before it is sent, by pushing its next attempt into the future; a worker that dies in between leaves
it for the next sweep. So a mail can come twice after a crash, and never gets lost.
"""

import uuid
from collections.abc import Iterable
from datetime import timedelta

import structlog
from django.core.mail import EmailMessage
from django.db.models import F
from django.utils import timezone, translation
from django.utils.functional import Promise

from tenants.models import OutgoingMail, User

MAX_ATTEMPTS = 8
_BATCH = 50
_log = structlog.get_logger()


def queue_mail(to: str, *, subject: str, text: str, tenant_id: uuid.UUID | None = None) -> OutgoingMail:
    """Have `text` sent to one address when the transaction around this commits. A line break in `subject` is a space."""
    return OutgoingMail.objects.create(
        to=to, subject=" ".join(subject.split())[:200], text=text, tenant_id=tenant_id
    )


def tell(people: Iterable[User], *, subject: Promise, text: Promise, values: dict[str, object]) -> None:
    """One mail each, in the language of each; `subject` and `text` are lazy translations with %(name)s placeholders."""
    for person in people:
        if person.email.endswith(".invalid"):
            continue  # stands in the place of an address where there is none
        with translation.override(person.language or "en"):
            queue_mail(
                person.email,
                subject=str(subject) % values,
                text=str(text) % values,
                tenant_id=person.tenant_id,
            )


def send_due() -> int:
    """Send what is due; returns how many went out. Safe in several workers at once."""
    sent = 0
    waiting = OutgoingMail.objects.filter(sent_at=None, attempts__lt=MAX_ATTEMPTS, due_at__lte=timezone.now())
    for mail in waiting.order_by("due_at")[:_BATCH]:
        retry = timezone.now() + timedelta(minutes=2**mail.attempts)
        claimed = OutgoingMail.objects.filter(id=mail.id, sent_at=None, attempts=mail.attempts)
        if claimed.update(attempts=F("attempts") + 1, due_at=retry):
            sent += _send(mail)
    return sent


def _send(mail: OutgoingMail) -> bool:
    try:
        EmailMessage(mail.subject, mail.text, to=[mail.to]).send()
    except OSError as error:  # smtplib's errors are OSErrors too
        OutgoingMail.objects.filter(id=mail.id).update(last_error=type(error).__name__)
        _log.warning("mail was not sent", mail=str(mail.id), error=type(error).__name__)
        return False
    OutgoingMail.objects.filter(id=mail.id).update(sent_at=timezone.now(), last_error="")
    return True
