"""What every test shares, the notebooks' kernels included: a work folder of their own, no network, no progress bars."""

import os
import tempfile

os.environ["SOFTLABELS_WORK"] = tempfile.mkdtemp(prefix="softlabels-work-")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TQDM_DISABLE"] = "1"
os.environ["JUPYTER_PLATFORM_DIRS"] = "1"  # silences a warning of jupyter_core's on every kernel start
