import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('sponsor', '0001_initial_schema'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='apiread',
            options={'ordering': ['-at', '-id'], 'permissions': [('read_api', "Can read the sponsor's API"), ('view_registry_results', 'Can see the results as a registry publishes them, and take them along')], 'verbose_name': 'API read', 'verbose_name_plural': 'API reads'},
        ),
        migrations.AddField(
            model_name='apiread',
            name='begun',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='sponsor.apiread', verbose_name='begun by'),
        ),
        migrations.AddField(
            model_name='apiread',
            name='bytes',
            field=models.PositiveBigIntegerField(default=0, verbose_name='bytes'),
        ),
        migrations.AddField(
            model_name='apiread',
            name='complete_until',
            field=models.DateTimeField(null=True, verbose_name='complete until'),
        ),
        migrations.AddField(
            model_name='apiread',
            name='stage',
            field=models.CharField(blank=True, choices=[('', 'answered at once'), ('begun', 'begun'), ('whole', 'sent whole'), ('broken_off', 'broken off')], max_length=10, verbose_name='how it was sent'),
        ),
    ]
