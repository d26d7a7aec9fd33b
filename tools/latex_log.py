"""Fails on what LaTeX passes over, such as a missing glyph: python tools/latex_log.py LOG"""

import re
import sys
from pathlib import Path

FAULTS = re.compile(
    r"^!|Missing character|(?:Reference|Citation) .* undefined|undefined references", re.MULTILINE
)

if __name__ == "__main__":
    log = Path(sys.argv[1])
    faults = [line for line in log.read_text(errors="replace").splitlines() if FAULTS.search(line)]
    if faults:
        sys.exit("\n".join([f"{log}: {len(faults)} faults", *faults[:40]]))
    print(f"The PDF lies beside {log}: no error, no missing character, no undefined reference")
