"""Relations point down: what import-linter cannot see, because a relation may be named by a string."""

import pytest
from django.apps import apps
from django.db import models

RANKS = {
    name: rank
    for rank, names in enumerate(
        [
            {"audit"},
            {"tenants"},
            {"keys", "policies"},
            {"tracking"},
            {"licensing"},
            {"administration"},
            {"portal"},
        ]
    )
    for name in names
}
OWN_MODELS = [model for model in apps.get_models() if model._meta.app_label in RANKS]


def upward_relations(model: type[models.Model]) -> list[str]:
    """Forward relations of a model to an app that is not below its own."""
    own = model._meta.app_label
    found = []
    for field in model._meta.get_fields():
        target = field.related_model if field.is_relation and not field.auto_created else None
        if not isinstance(target, type):
            continue
        label = target._meta.app_label
        if label in RANKS and label != own and RANKS[label] >= RANKS[own]:
            found.append(f"{own}.{model.__name__}.{field.name} -> {label}.{target.__name__}")
    return found


@pytest.mark.parametrize("model", OWN_MODELS, ids=lambda model: model._meta.label)
def test_relations_point_down(model):
    assert upward_relations(model) == []


def test_log_rows_have_no_relations():
    """They outlive what they describe."""
    related = [
        f"{model.__name__}.{field.name}"
        for model in OWN_MODELS
        if model._meta.app_label == "audit"
        for field in model._meta.get_fields()
        if field.is_relation
    ]
    assert related == []


def test_an_upward_relation_is_found():
    class Planted(models.Model):
        document = models.ForeignKey("tracking.Document", on_delete=models.CASCADE, related_name="+")

        class Meta:
            app_label = "policies"

        def __str__(self):
            return "planted"

    try:
        assert upward_relations(Planted) == ["policies.Planted.document -> tracking.Document"]
    finally:
        del apps.all_models["policies"]["planted"]
        apps.clear_cache()
