"""Where a measurement comes from: the code's commit, and the machine."""

import os
import platform
import subprocess
from pathlib import Path

from .home import root


def commit() -> str:
    """Return the clone's commit, with a plus sign when the package has changed since; "" where there is none."""
    try:
        git = ["git", "-C", str(root())]
        head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)
        clean = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "softlabels"]).returncode == 0
        return head.stdout.strip() + ("" if clean else "+")
    except (OSError, subprocess.CalledProcessError):
        return ""


def processor() -> str:
    """Return the processor's name, and how many cores this process may use."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    except OSError:
        pass
    return f"{name}, {cores()} cores"


def cores() -> int:
    """Return how many cores this process may use, which in a container is fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
