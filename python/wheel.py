"""Packs the wheel: the package's files, the native module, and those of its libraries that a machine with PyTorch alone lacks.

    wheel.py --native _native.so --out openhpu-0.1.0-cp311-cp311-linux_x86_64.whl FILE...

The same inputs give the same bytes: entries are sorted, times and modes fixed.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import subprocess
import zipfile
from typing import Dict, List

NAME = "openhpu"
VERSION = "0.1.0"
TAG = "cp311-cp311-linux_x86_64"
ROOT = "habana_frameworks/"
ROOTS = (ROOT, "torch_hpu/")
# The native module finds these beside it ($ORIGIN/lib). PyTorch brings the others: oneDNN, protobuf, OpenMP.
CARRIED = ("libabsl_", "libsystemc")

METADATA = f"""Metadata-Version: 2.1
Name: {NAME}
Version: {VERSION}
Summary: PyTorch programs for `hpu` on stock PyTorch, with HPU Graphs, on a simulated Gaudi
Requires-Python: >=3.11,<3.12
"""

# PyTorch 2.5 and later imports a device by itself through this; 1.13 does not look.
ENTRY_POINTS = """[torch.backends]
hpu = habana_frameworks.autoload:__autoload
"""

WHEEL = f"""Wheel-Version: 1.0
Generator: {NAME}
Root-Is-Purelib: false
Tag: {TAG}
"""


def carried_libraries(native: str) -> Dict[str, bytes]:
    """The libraries of CARRIED that `native` needs, by file name."""
    found: Dict[str, bytes] = {}
    for line in subprocess.run(["ldd", native], check=True, capture_output=True, text=True).stdout.splitlines():
        name, _, rest = line.strip().partition(" => ")
        if not name.startswith(CARRIED):
            continue
        path = rest.split(" (")[0]
        if not os.path.exists(path):
            raise SystemExit(f"wheel.py: the library {name} of {native} is not installed; run third_party/install.sh")
        with open(path, "rb") as library:
            found[name] = library.read()
    return found


def package_path(path: str) -> str:
    """Where a source file lies in the wheel: from its package's folder on."""
    found = [path.find(root) for root in ROOTS if root in path]
    if not found:
        raise SystemExit(f"wheel.py: {path} does not lie in {' or '.join(ROOTS)}")
    return path[min(found) :]


def record_line(path: str, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(content)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--native", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("files", nargs="+")
    arguments = parser.parse_args()

    contents: Dict[str, bytes] = {}
    for path in arguments.files:
        with open(path, "rb") as file:
            contents[package_path(path)] = file.read()
    with open(arguments.native, "rb") as file:
        contents[ROOT + "torch/_native.so"] = file.read()
    for name, library in carried_libraries(arguments.native).items():
        contents[ROOT + "torch/lib/" + name] = library

    info = f"{NAME}-{VERSION}.dist-info/"
    contents[info + "METADATA"] = METADATA.encode()
    contents[info + "WHEEL"] = WHEEL.encode()
    contents[info + "entry_points.txt"] = ENTRY_POINTS.encode()
    lines: List[str] = [record_line(path, contents[path]) for path in sorted(contents)]
    contents[info + "RECORD"] = "\n".join(lines + [info + "RECORD,,"]).encode() + b"\n"

    with zipfile.ZipFile(arguments.out, "w", zipfile.ZIP_DEFLATED) as wheel:
        for path in sorted(contents):
            entry = zipfile.ZipInfo(path, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o755 if path.endswith(".so") else 0o644) << 16
            wheel.writestr(entry, contents[path])


if __name__ == "__main__":
    main()
