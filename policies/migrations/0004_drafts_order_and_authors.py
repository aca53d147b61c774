import django.utils.timezone
from django.db import migrations, models


def fill(apps, schema_editor):
    """Positions as the templates were made; each version falls back to the language its template fell back to."""
    Template = apps.get_model("policies", "PolicyTemplate")
    Version = apps.get_model("policies", "TemplateVersion")
    positions = {}
    for template in Template.objects.order_by("created_at", "id").iterator(chunk_size=500):
        position = positions[template.tenant_id] = positions.get(template.tenant_id, -1) + 1
        Template.objects.filter(id=template.id).update(position=position, changed_at=template.created_at)
        Version.objects.filter(template_id=template.id).update(default_language=template.default_language)


class Migration(migrations.Migration):

    dependencies = [
        ("policies", "0003_protection_limits"),
        ("tenants", "0008_tenant_languages"),
    ]

    operations = [
        migrations.AddField("policytemplate", "position", models.PositiveIntegerField(default=0, help_text="order in lists, also on devices")),
        migrations.AddField("policytemplate", "revision", models.PositiveIntegerField(default=1, help_text="counts changes; who changes names what they saw")),
        migrations.AddField("policytemplate", "draft", models.JSONField(blank=True, null=True, help_text="rules not published yet, see policies.content")),
        migrations.AddField("policytemplate", "changed_at", models.DateTimeField(default=django.utils.timezone.now)),
        migrations.AddField("policytemplate", "changed_by", models.CharField(blank=True, max_length=254)),
        migrations.AddField("templateversion", "published_by", models.CharField(blank=True, max_length=254)),
        migrations.AddField("templateversion", "default_language", models.CharField(default="en", max_length=10)),
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
    ]
