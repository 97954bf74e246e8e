import django.db.models.deletion
import trialsite.operations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [('sponsor', '0001_initial'), ('sponsor', '0002_initial')]

    initial = True

    dependencies = [
        ('trialsite', '0001_initial_schema'),
    ]

    operations = [
        trialsite.operations.CreateModels(
            models=[migrations.CreateModel(
                name='ApiRead',
                fields=[
                    ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                    ('at', models.DateTimeField(verbose_name='at')),
                    ('token_key', models.CharField(blank=True, max_length=25, verbose_name='token begins with')),
                    ('ip', models.CharField(blank=True, max_length=45, verbose_name='from')),
                    ('path', models.CharField(max_length=200, verbose_name='address')),
                    ('query', models.CharField(blank=True, max_length=1000, verbose_name='query')),
                    ('status', models.PositiveSmallIntegerField(verbose_name='HTTP status')),
                    ('rows', models.PositiveIntegerField(default=0, verbose_name='rows')),
                    ('sha256', models.CharField(blank=True, max_length=64, verbose_name='SHA-256 of the answer')),
                    ('user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='program')),
                ],
                options={
                    'verbose_name': 'API read',
                    'verbose_name_plural': 'API reads',
                    'ordering': ['-at', '-id'],
                    'permissions': [('read_api', "Can read the sponsor's API")],
                },
            )],
        ),
    ]
