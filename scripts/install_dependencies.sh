#!/usr/bin/env bash
# install_dependencies.sh [tools|tests]: installs what building the tools (or also the tests) needs on Debian 12 and
# is not there yet, as root or through sudo. Does nothing when everything is there.
set -euo pipefail
tools=(g++ cmake ninja-build ccache pkg-config libboost1.81-dev libboost-program-options1.81-dev libfmt-dev libisal-dev
       liblz4-dev libzstd-dev zlib1g-dev libssl-dev zstd)
tests=(libgtest-dev libgmock-dev clang-19 libclang-rt-19-dev clang-format-19 python3 git)
wanted=("${tools[@]}")
[ "${1:-tools}" = tests ] && wanted+=("${tests[@]}")
missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
if ! command -v apt-get >/dev/null; then
  echo "This is no Debian: install the equivalents of ${missing[*]} yourself." >&2
  exit 1
fi
sudo=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "Missing: ${missing[*]}. Run this as root, or install sudo." >&2; exit 1; }
  sudo=(sudo)
fi
echo "Installing with apt-get: ${missing[*]}" >&2
"${sudo[@]}" apt-get update -qq
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
