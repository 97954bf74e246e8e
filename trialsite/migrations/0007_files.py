from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("trialsite", "0006_events"),
    ]

    operations = [
        migrations.AlterField(
            model_name="listexport",
            name="kind",
            field=models.CharField(
                choices=[("csv", "CSV"), ("xlsx", "XLSX"), ("pdf", "PDF"), ("xml", "XML")],
                max_length=4,
                verbose_name="format",
            ),
        ),
    ]
