from django.db import migrations

from trialsite.reading import code_key, plain

SPELLING = {"name": plain, "phone": code_key, "hospital_number": code_key}


def spell(apps, schema_editor):
    """Spell what was typed before as what is typed now: encrypted, it is found by its whole value only."""
    for person in apps.get_model("participants", "Participant").objects.iterator():
        spelt = {field: read(getattr(person, field)) for field, read in SPELLING.items()}
        changed = [field for field, text in spelt.items() if text != getattr(person, field)]
        if changed:
            for field in changed:
                setattr(person, field, spelt[field])
            person.save(update_fields=changed)


class Migration(migrations.Migration):
    dependencies = [("participants", "0003_corrections")]

    operations = [migrations.RunPython(spell, migrations.RunPython.noop)]
