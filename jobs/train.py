"""Stage `train`: `spark-submit jobs/train.py --config conf/base.yaml [--set a.b=1]`."""

import sys

from parlevel.pipeline.entry import main

if __name__ == "__main__":
    sys.exit(main(["train"]))
