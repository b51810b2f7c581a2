#!/usr/bin/env bash
# install_dependencies.sh [tools|tests|clients]: installs what building the tools (or also the tests, or besides the tests
# with RocketMQ's own clients) needs on Debian 12 and is not there yet, as root or through sudo. Does nothing when everything is there. Elsewhere it names what is missing.
set -euo pipefail
tools=(g++ cmake ninja-build ccache pkg-config libboost1.81-dev libboost-program-options1.81-dev libfmt-dev libarchive-dev libdeflate-dev libisal-dev
       liblz4-dev libspdlog-dev libzstd-dev zlib1g-dev librocksdb-dev libssl-dev zstd)
tests=(libgtest-dev libgmock-dev clang-19 libclang-rt-19-dev clang-format-19 python3 git e2fsprogs chromium fonts-dejavu-core)
wanted=("${tools[@]}")
case ${1:-tools} in
  tools) ;;
  tests) wanted+=("${tests[@]}") ;;
  clients)
    wanted+=("${tests[@]}")
    # Whoever has them from elsewhere keeps those.
    command -v javac >/dev/null || wanted+=(openjdk-17-jdk-headless)
    command -v mvn >/dev/null || wanted+=(maven)
    command -v go >/dev/null || wanted+=(golang-go)
    ;;
  *) echo "usage: install_dependencies.sh [tools|tests|clients]" >&2; exit 16 ;;
esac
if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "This is no Debian: not checking that the equivalents of these packages are there: ${wanted[*]}" >&2
  exit 0
fi
missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
sudo=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "Missing packages. As root: apt-get update && apt-get install ${missing[*]}" >&2
    exit 1
  fi
  sudo=(sudo)
fi
give_up() {
  echo "$1 (no network, or no such package in this release?). What is missing: ${missing[*]}" >&2
  exit 1
}
echo "Installing with apt-get: ${missing[*]}" >&2
# Lists that cannot be refreshed may still be good enough for what is missing.
"${sudo[@]}" apt-get update -qq >&2 || echo "apt-get update failed; trying with the package lists that are there" >&2
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 ||
  give_up "apt-get could not install everything"
