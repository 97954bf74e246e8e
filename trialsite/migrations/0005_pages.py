from django.contrib.postgres.operations import TrigramExtension
from django.db import migrations, models

from trialsite.search import FUNCTION


class Migration(migrations.Migration):

    dependencies = [
        ('trialsite', '0004_security'),
    ]

    operations = [
        TrigramExtension(),
        migrations.RunSQL(FUNCTION, "DROP FUNCTION searchable(text)"),
        migrations.AlterField(
            model_name='listexport',
            name='kind',
            field=models.CharField(choices=[('csv', 'CSV'), ('xlsx', 'XLSX'), ('pdf', 'PDF')], max_length=4, verbose_name='format'),
        ),
    ]
