#!/usr/bin/env bash
# try.sh [STORE]: installs what is missing, builds the tools, and shows what they say about three real stores from
# testdata: a clean one, a damaged one, and one whose writer was killed. With STORE: about your own store instead
# (the directory above commitlog/; it is only read, never written).
set -euo pipefail
cd "$(dirname "$0")/.."
own=${1:+$(realpath "$1")}
scripts/install_dependencies.sh tools
cmake --preset release -DRMQ_BUILD_TESTS=OFF -DRMQ_BUILD_FUZZERS=OFF -DRMQ_BUILD_BENCH=OFF >/dev/null
cmake --build --preset release
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
They only read. Exit codes: 0 clean, 2 unclean stop that recovery mends, 4 problems; --explain CODE tells more.
EOF
