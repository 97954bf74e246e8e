"""One worker of the bench: says that it is ready, waits for a word, delivers what is due, and says that it is done.

python -m bench.deliverer NAME_OF_THE_DATABASE PORT_OF_THE_SINK
"""

import os
import sys

import django


def main(database: str, port: str) -> None:
    os.environ["EMAIL_URL"] = f"smtp://127.0.0.1:{port}"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trialsite.settings")
    django.setup()
    from django.db import connection

    from trialsite import delivery

    connection.settings_dict["NAME"] = database
    connection.ensure_connection()
    print("ready", flush=True)
    sys.stdin.readline()
    delivery.deliver_due(limit=1_000_000)
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
