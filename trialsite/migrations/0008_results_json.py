from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('trialsite', '0007_follow_up'),
    ]

    operations = [
        migrations.AlterField(
            model_name='listexport',
            name='kind',
            field=models.CharField(choices=[('csv', 'CSV'), ('xlsx', 'XLSX'), ('pdf', 'PDF'), ('xml', 'XML'), ('json', 'JSON')], max_length=4, verbose_name='format'),
        ),
    ]
