"""An infusion logged with all visits that follow it, beside a plain bulk insert of the same visits."""

from collections.abc import Iterable

from bench import scene
from bench.measure import Line, Size
from dosing.actions import infuse
from participants.models import Visit
from tests import factories


def lines(size: Size) -> Iterable[Line]:
    person, by, now = scene.enrolled(), scene.coordinator(), scene.now()
    factories.ready(person, at=now)
    lot = person.products.get().lot

    def log() -> None:
        infusion = factories.infusion_of(person, at=now, product=person.products.get(lot=lot))
        infuse(infusion=infusion, by=by, now=now)

    def visits() -> list[Visit]:
        infusion = factories.infusion_of(person, at=now, product=person.products.get(lot=lot))
        made = infuse(infusion=infusion, by=by, now=now).new_visits
        Visit.objects.filter(pk__in=[]).count()
        return made

    yield from ()


def probe():
    from django.db import connection, transaction
    from django.test.utils import CaptureQueriesContext

    person, by, now = scene.enrolled(), scene.coordinator(), scene.now()
    factories.ready(person, at=now)
    product = person.products.get()

    def inf():
        return factories.infusion_of(person, at=now, product=product)

    for _i in range(2):
        with transaction.atomic():
            x = inf()
            with CaptureQueriesContext(connection) as q:
                r = infuse(infusion=x, by=by, now=now)
            transaction.set_rollback(True)
    print(len(r.new_visits), len(q))
    for i, one in enumerate(q):
        print(i, one["time"], one["sql"][:300].replace("\n", " "))
