"""What the runtime's own process does not load: its memory counts while every function sleeps."""

from __future__ import annotations

import subprocess
import sys


def test_the_commands_load_no_image_library() -> None:
    program = (
        "import sys, hearth_runtime.cli; "
        "print(*sorted({'cv2', 'numpy', 'PIL', 'skimage'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
