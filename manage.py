#!/usr/bin/env python
"""Django's command line for Trialsite."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trialsite.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        # A setting that is missing or wrong: the sentence says which, and the way out.
        sys.exit(str(error))


if __name__ == "__main__":
    main()
