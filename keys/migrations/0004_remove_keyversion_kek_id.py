from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [("keys", "0003_wrap_each_key")]
    operations = [migrations.RemoveField(model_name="keyversion", name="kek_id")]
