from django.db import migrations
from django.db.models import OuterRef, Subquery


def count_from_infusion(apps, schema_editor):
    """Note for which infusion a dose was planned, so that it can move with it."""
    doses = apps.get_model("dosing", "LymphodepletionDose").objects.filter(state="planned", voided_at__isnull=True)
    people = apps.get_model("participants", "Participant").objects.filter(pk=OuterRef("participant_id"))
    doses.update(infusion_on=Subquery(people.values("planned_infusion_on")[:1]))


class Migration(migrations.Migration):
    dependencies = [("dosing", "0003_corrections"), ("participants", "0004_one_spelling")]

    operations = [migrations.RunPython(count_from_infusion, migrations.RunPython.noop)]
