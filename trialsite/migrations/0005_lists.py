from django.contrib.postgres.operations import TrigramExtension
from django.db import migrations

from trialsite.search import FUNCTION


class Migration(migrations.Migration):

    dependencies = [
        ('trialsite', '0004_security'),
    ]

    operations = [
        TrigramExtension(),
        migrations.RunSQL(FUNCTION, "DROP FUNCTION searchable(text)"),
    ]
