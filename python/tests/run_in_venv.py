"""Runs one test file against the installed wheel: makes a fresh virtual environment, installs the wheel into it, and runs pytest there.

    run_in_venv.py WHEEL TEST_FILE [MODULE...]

The test may import the modules: files beside which nothing else lies.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile


def main() -> int:
    wheel, test = (os.path.abspath(path) for path in sys.argv[1:3])
    # Nothing of the source tree may be imported instead of what is installed.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment.setdefault("HOME", tempfile.gettempdir())
    with tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR")) as folder:
        venv = os.path.join(folder, "venv")
        subprocess.run(["/usr/bin/python3", "-m", "venv", "--system-site-packages", "--without-pip", venv], check=True, env=environment)
        python = os.path.join(venv, "bin", "python3")
        install = [python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-cache-dir", "--disable-pip-version-check", wheel]
        subprocess.run(install, check=True, env=environment)
        command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--durations=5", test]
        if "XML_OUTPUT_FILE" in environment:
            command.append("--junitxml=" + environment["XML_OUTPUT_FILE"])
        if "TESTBRIDGE_TEST_ONLY" in environment:
            command.append("-k=" + environment["TESTBRIDGE_TEST_ONLY"])
        environment["VENV"] = venv
        if "OPENHPU_SCENARIO_RUNNER" in environment:  # relative to the runfiles
            environment["OPENHPU_SCENARIO_RUNNER"] = os.path.abspath(environment["OPENHPU_SCENARIO_RUNNER"])
        environment["PYTHONPATH"] = os.pathsep.join(os.path.dirname(os.path.abspath(module)) for module in sys.argv[3:])
        return subprocess.run(command, env=environment, cwd=folder).returncode


if __name__ == "__main__":
    sys.exit(main())
