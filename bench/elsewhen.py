"""Celery in a process to which it is another time.

python -m bench.elsewhen HOURS celery's words …
"""

import datetime as dt
import sys

import time_machine
from celery.__main__ import main

if __name__ == "__main__":
    hours, sys.argv = float(sys.argv[1]), ["celery", *sys.argv[2:]]
    with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours), tick=True):
        main()
