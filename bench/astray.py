"""Celery in a process whose template breaks for one thing that it is to tell of.

python -m bench.astray WORD celery's words …
"""

import os
import re
import sys
from typing import Any

import django
from celery.__main__ import main
from django.template import TemplateSyntaxError
from django.template.loader import render_to_string


def breaking(word: str) -> Any:
    """What writes every text but those that hold this word."""

    def render(name: str, context: Any = None) -> str:
        text = render_to_string(name, context)
        if re.search(rf"{re.escape(word)}(?!\d)", text):
            raise TemplateSyntaxError(name)
        return text

    return render


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trialsite.settings")
    django.setup()
    from trialsite import notifications

    sys.argv, word = ["celery", *sys.argv[2:]], sys.argv[1]
    notifications.render_to_string = breaking(word)
    main()
