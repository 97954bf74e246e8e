import os
from typing import Any

from trialsite.start import or_say_why, refuse_unfit

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trialsite.settings")


def _begin() -> Any:
    from django.core.wsgi import get_wsgi_application

    made = get_wsgi_application()
    refuse_unfit()
    return made


application = or_say_why(_begin)
