"""The main job, every stage in order: `spark-submit jobs/run_all.py --config conf/base.yaml [--set a.b=1]`."""

import sys

from parlevel.pipeline import STAGES
from parlevel.pipeline.entry import main

if __name__ == "__main__":
    sys.exit(main(STAGES))
