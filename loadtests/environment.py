"""Where a run took place: hardware, system, packages, commit. Names no machine and no person."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from loadtests.cores import Cores
from loadtests.results import Environment

#: Whatever stands on the way of a call, in any of the systems compared.
PACKAGES = (
    "pipecat-ai", "aiortc", "av", "websockets", "uvicorn", "uvloop", "fastapi", "httpx", "openai", "pydantic",
    "numpy", "onnxruntime", "faster-whisper", "ctranslate2", "pocketsphinx", "espeakng-loader", "torch",
    "transformers", "vllm",
)  # fmt: skip
_ROOT = Path(__file__).resolve().parents[1]
#: What changes a figure; notes, texts and the figures of other runs do not.
_CODE = (
    "controls", "voice_runtime", "loadtests", "agents", "configs", "pyproject.toml",
    ":(exclude)loadtests/results",
)  # fmt: skip


def environment(cores: Cores | None = None) -> Environment:
    """This machine as it is now."""
    cores = cores or Cores()
    commit, changed = commit_of(_ROOT)
    return Environment(
        cpu=_processor(),
        cores=os.cpu_count() or 1,
        memory_gb=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        accelerator=_accelerator(),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        packages=_packages(PACKAGES),
        commit=commit,
        changed=changed,
        generator_cores=cores.generator,
        server_cores=cores.server,
    )


def commit_of(root: Path) -> tuple[str, bool]:
    """The checkout's commit, short, and whether what runs differs from it; ("unknown", False) without git."""
    head = _output(["git", "-C", str(root), "rev-parse", "--short", "HEAD"])
    if not head:
        return "unknown", False
    status = ["git", "-C", str(root), "status", "--porcelain", "--", *_CODE]
    return head, bool(_output(status))


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.machine()


def _accelerator() -> str:
    """Model and driver of the first GPU, as its own tool tells; "" without one."""
    asked = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    lines = _output(asked).splitlines()
    return lines[0].strip() if lines else ""


def _packages(names: Sequence[str]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _output(command: Sequence[str]) -> str:
    """What a command prints; "" when it is not there, fails or takes over 10 s."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
