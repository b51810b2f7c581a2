#!/usr/bin/env bash
# try.sh [STORE]: installs what is missing, builds the tools, and shows what they say about three real stores from
# testdata: a clean one, a damaged one, and one whose writer was killed. With STORE: about your own store instead
# (the directory above commitlog/; it is only read, never written).
set -euo pipefail
own=
if [ $# -gt 0 ]; then
  [ -e "$1" ] || { echo "try.sh: no such store: $1" >&2; exit 16; }
  own=$(realpath "$1")
fi
cd "$(dirname "$0")/.."
scripts/install_dependencies.sh tools
[ -x build/release/tools/rmq-verify ] || echo "Building the tools: some minutes the first time." >&2
# Another compiler's new warnings are no reason to leave somebody without tools.
cmake --preset release -DRMQ_WERROR=OFF -DRMQ_BUILD_TESTS=OFF -DRMQ_BUILD_FUZZERS=OFF -DRMQ_BUILD_BENCH=OFF >/dev/null
cmake --build --preset release --target rmq-dump --target rmq-verify >&2
bin=$PWD/build/release/tools
say() { printf '\n\033[1m$ %s\033[0m\n' "$*"; }
show() { say "$@"; "$bin/$1" "${@:2}" || printf '(exit code %d)\n' $?; }
if [ -n "$own" ]; then
  show rmq-verify "$own"
  show rmq-dump state "$own"
  exit
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
for store in base dmg-zero-page crash-kill9; do
  mkdir "$store"
  tar --zstd -xf "$OLDPWD/testdata/stores/$store/$store.tar.zst" -C "$store" --strip-components=1
done
show rmq-verify --level deep base
show rmq-dump log base -n 3
show rmq-verify --level deep dmg-zero-page
show rmq-verify --preflight dmg-zero-page
show rmq-verify crash-kill9
cat <<EOF

The tools are in build/release/tools. Point them at your own store (the directory above commitlog/):
  build/release/tools/rmq-verify /path/to/store               is it whole?
  build/release/tools/rmq-verify --preflight /path/to/store   what would a stock broker do if it were started now?
  build/release/tools/rmq-dump log /path/to/store -o json     every record, one JSON object a line
They only read. Exit codes: 0 clean, 2 unclean stop that a stock broker mends, 4 problems; README.md has the others.
What a finding means and what to do about it: rmq-verify --explain CODE. To install them: README.md.
EOF
