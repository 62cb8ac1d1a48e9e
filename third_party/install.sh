#!/usr/bin/env bash
# Installs every Debian package that building, testing and running openhpu needs. Idempotent: a machine that has them all is left untouched.
# Works as root, or through sudo; says what it does. The list with licences and users is third_party/README.md.
set -euo pipefail

packages=(
  # build
  g++ git ca-certificates bazel-bootstrap bazel-platforms bazel-rules-java clang clang-format libclang-rt-14-dev libomp-14-dev
  # libraries
  libabsl-dev libgtest-dev libgmock-dev libbenchmark-dev libsystemc-dev
  libprotobuf-dev protobuf-compiler libdnnl-dev linux-libc-dev
  # Python, PyTorch and what the wheel's tests and the demo use
  python3 python3-dev python3-venv python3-pip python3-setuptools python3-wheel pybind11-dev
  python3-torch libtorch-dev python3-torchvision python3-sklearn python3-pytest python3-numpy
  libopenblas0-openmp
)

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null || true)
  [[ $status == ii* ]] || missing+=("$package")
done
if [[ ${#missing[@]} -eq 0 ]]; then
  echo "third_party/install.sh: all ${#packages[@]} packages are installed."
  exit 0
fi

sudo=()
if [[ $(id -u) -ne 0 ]]; then
  command -v sudo >/dev/null || { echo "third_party/install.sh: not root, and there is no sudo; as root run: apt-get install ${missing[*]}" >&2; exit 1; }
  sudo=(sudo)
fi
echo "third_party/install.sh: installing ${#missing[@]} of ${#packages[@]} Debian packages: ${missing[*]}"
"${sudo[@]}" apt-get update -qq
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
echo "third_party/install.sh: done."
