import sys

from trialsite.local.run import main

sys.exit(main())
