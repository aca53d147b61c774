"""What would happen, who may open, what people may grant: the admin API's view of rights."""

import uuid
from dataclasses import replace
from typing import Any

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from administration.api.access import ApiView, organization, person, require
from administration.api.documents import DocumentApiView
from licensing import what_if
from licensing.access import change_access, may_change_access
from policies.evaluation import Grant
from policies.limits import limits_of, set_limits
from policies.models import PolicyTemplate
from policies.reach import Case, count_changes, count_openers, listed, outside
from rms.rights import special_of
from tenants import membership
from tenants.changes import Actor
from tracking.models import AccessChange, Document
from tracking.overrides import history_of, is_undoable, policy_now, undo
from tracking.revocation import access_until

_PERSON = OpenApiParameter("person", str, description="mail address: answer for this person only")


class ByAddress(CursorPagination):
    ordering: Any = "email"
    page_size_query_param = "page_size"


class GrantShape(serializers.Serializer[Any]):
    principal = serializers.CharField()
    rights = serializers.ListField(child=serializers.CharField())


class ReasonShape(serializers.Serializer[Any]):
    """`way`: the address, or the groups from the granted one inwards."""

    kind = serializers.CharField()
    grant = GrantShape(allow_null=True)
    way = serializers.ListField(child=serializers.CharField())


class WhatIfAnswerSerializer(serializers.Serializer[Any]):
    """`outcome`: granted, denied, revoked, expired, needs factor, inactive (the organization), suspended (the person).

    `rights` are those the person would have were it not for the outcome. `counts`: whether the address is proven.
    `may_belong`: another organization is granted, and only that one knows whether this person is in it.
    """

    person = serializers.CharField(source="address")
    name = serializers.CharField()
    member = serializers.BooleanField(source="is_member")
    outcome = serializers.CharField()
    rights = serializers.ListField(child=serializers.CharField())
    reasons = ReasonShape(many=True)
    license_until = serializers.DateTimeField(source="verdict.license_until", allow_null=True)
    offline = serializers.BooleanField(source="verdict.offline")
    counts = serializers.BooleanField()
    may_belong = serializers.BooleanField()


class OpenersSerializer(serializers.Serializer[Any]):
    """Without `person`: how many of the organization's people can open, a page of them, and who else is let in.

    `gaining`, `losing`, for a draft: how many of the organization's people would gain or lose access by publishing it.
    """

    count = serializers.IntegerField()
    gaining = serializers.IntegerField(required=False)
    losing = serializers.IntegerField(required=False)
    outside = GrantShape(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = serializers.ListField(child=serializers.DictField())


_WHAT_IF = PolymorphicProxySerializer(
    component_name="WhatIf",
    serializers=[WhatIfAnswerSerializer, OpenersSerializer],
    resource_type_field_name=None,
    many=False,
)


class WhatIfView(ApiView):
    """Base: one person's answer, or who can open at all."""

    def say(
        self,
        request: Request,
        case: Case,
        *,
        lists_people: bool,
        before: Case | None = None,
    ) -> Response:
        who = request.query_params.get("person", "").strip()
        if who:
            found = what_if.ask(case, who, names_groups=lists_people)
            return Response(WhatIfAnswerSerializer(found).data)
        counts = count_openers(case) if before is None else count_changes(before, case)
        changed = {} if before is None else {"gaining": counts.gaining, "losing": counts.losing}
        people = listed(case, counts, before=before, which=request.query_params.get("list", ""))
        paginator = ByAddress()
        rows = paginator.paginate_queryset(people, request, view=self) if lists_people else []
        answer = {
            "count": counts.able,
            **changed,
            "outside": GrantShape(outside(case.policy, case.tenant), many=True).data,
            "next": paginator.get_next_link() if lists_people else None,
            "previous": paginator.get_previous_link() if lists_people else None,
            "results": [{"person": each.email, "name": each.name} for each in rows or []],
        }
        return Response(answer)


class TemplateWhatIfView(WhatIfView):
    requires = membership.READ_TEMPLATES

    @extend_schema(
        parameters=[
            _PERSON,
            OpenApiParameter(
                "of", str, enum=["published", "draft"], description="which rules; else the published ones"
            ),
            OpenApiParameter(
                "list", str, enum=["gaining", "losing"], description="of a draft: list these people"
            ),
        ],
        responses=_WHAT_IF,
    )
    def get(self, request: Request, template_id: uuid.UUID) -> Response:
        """What content protected with this template would let somebody do now, or who can open it at all; for its draft, also
        who would gain or lose access by publishing it."""
        templates = PolicyTemplate.objects.for_tenant(organization(request)).select_related("tenant")
        template = templates.filter(id=template_id).first()
        if template is None:
            raise Http404
        if request.query_params.get("of") != "draft":
            return self.say(request, what_if.case_of_template(template), lists_people=True)
        case = what_if.case_of_draft(template)
        before = what_if.before_publishing(template, case)
        return self.say(request, case, lists_people=True, before=before)


class DocumentWhatIfView(WhatIfView, DocumentApiView):
    @extend_schema(parameters=[_PERSON], responses=_WHAT_IF)
    def get(self, request: Request, content_id: uuid.UUID) -> Response:
        """Who can open this document, and why not? People are listed for those who may see the organization's people."""
        case = what_if.case_of_document(self.document())
        lists = membership.may(person(request), membership.READ_PEOPLE)
        return self.say(request, case, lists_people=lists)


class AccessChangeSerializer(serializers.ModelSerializer[AccessChange]):
    """Rights that counted instead of the license's: null = the license's own, an empty list = none."""

    undoable = serializers.SerializerMethodField()

    class Meta:
        model = AccessChange
        fields = (
            "id",
            "number",
            "time",
            "actor",
            "reason",
            "principal",
            "before",
            "after",
            "undoes",
            "undoable",
        )

    def get_undoable(self, change: AccessChange) -> bool:
        return is_undoable(self.context["document"], change)


class AccessSerializer(serializers.Serializer[Any]):
    """`special`: DONOTFORWARD or ENCRYPTONLY where the grants amount to it. `decided` counts for its address alone.

    `access_until`: how long use licenses handed out before the last change may still be kept.
    """

    from_template = serializers.BooleanField()
    special = serializers.CharField(allow_blank=True)
    grants = GrantShape(many=True)
    decided = GrantShape(many=True)
    history = AccessChangeSerializer(many=True)
    access_until = serializers.DateTimeField(allow_null=True)


class AccessEntrySerializer(serializers.Serializer[Any]):
    """`rights`: a level, a special policy, or names of rights with commas; empty withdraws."""

    who = serializers.CharField(max_length=300)
    rights = serializers.CharField(max_length=4000, allow_blank=True)


class AccessRequestSerializer(serializers.Serializer[Any]):
    changes = AccessEntrySerializer(many=True)
    reason = serializers.CharField(max_length=500, allow_blank=True, default="")


class AccessView(DocumentApiView):
    @extend_schema(responses=AccessSerializer)
    def get(self, request: Request, content_id: uuid.UUID) -> Response:
        """Who may open a document protected for named people: as it counts now, and every change."""
        return self.access(self.document())

    @extend_schema(request=AccessRequestSerializer, responses=AccessSerializer)
    def post(self, request: Request, content_id: uuid.UUID) -> Response:
        """Grant, change or withdraw access, all at once or nothing. It counts from the next request for a license on."""
        asked = AccessRequestSerializer(data=request.data)
        document = self.changeable()
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        wanted = [(entry["who"], entry["rights"]) for entry in values["changes"]]
        return self.access(change_access(document, wanted, actor=person(request), reason=values["reason"]))

    def changeable(self) -> Document:
        document = self.document()
        if not may_change_access(person(self.request), document):
            raise PermissionDenied("Only whoever protected the document, or an administrator, changes this.")
        return document

    def access(self, document: Document) -> Response:
        policy = policy_now(document)
        grants: tuple[Grant, ...] = policy.grants if policy else ()
        decided: tuple[Grant, ...] = policy.decided if policy else ()
        answer = {
            "from_template": document.template_id is not None,
            "special": special_of(
                (grant.principal, grant.rights) for grant in (*grants, *decided) if grant.rights
            ),
            "grants": grants,
            "decided": decided,
            "history": history_of(document)[:500],
            "access_until": access_until(document),
        }
        return Response(AccessSerializer(answer, context={"document": document}).data)


class UndoAccessView(AccessView):
    http_method_names = ("post",)

    @extend_schema(request=None, responses=AccessSerializer)
    def post(self, request: Request, content_id: uuid.UUID, change_id: uuid.UUID) -> Response:  # type: ignore[override]  # one more id in the address
        """Undo one change, as long as nothing else was decided for the same principal since."""
        document = self.changeable()
        try:
            return self.access(undo(document, change_id, actor=person(request)))
        except AccessChange.DoesNotExist as error:
            raise Http404 from error


class LimitsSerializer(serializers.Serializer[Any]):
    own_permissions = serializers.BooleanField(required=False)
    outsiders = serializers.BooleanField(required=False)
    anyone = serializers.BooleanField(required=False)
    default_template = serializers.UUIDField(source="default_template_id", required=False, allow_null=True)


class LimitsView(ApiView):
    requires = membership.READ_SETTINGS

    @extend_schema(responses=LimitsSerializer)
    def get(self, request: Request) -> Response:
        """What people may grant on their own, and the template offered first."""
        return Response(LimitsSerializer(limits_of(organization(request))).data)

    @extend_schema(request=LimitsSerializer, responses=LimitsSerializer)
    def patch(self, request: Request) -> Response:
        """Change limits; what is not named stays. What is protected already keeps opening."""
        require(request, membership.ADMINISTER)
        tenant = organization(request)
        asked = LimitsSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        set_limits(
            tenant, replace(limits_of(tenant), **asked.validated_data), actor=Actor.of(person(request))
        )
        return Response(LimitsSerializer(limits_of(tenant)).data)
