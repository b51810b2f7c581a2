#!/usr/bin/env bash
# test.sh [--full]: installs what is missing, builds and runs the tests. --full, as CI runs it, adds clang with the
# address, undefined and thread sanitizers, and a short run of every fuzzer.
# Without JDK, Maven and Go the tests with RocketMQ's own clients are skipped; --full installs these.
# FUZZ_SECONDS (default 6) is for each fuzzer.
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in
  "") scripts/install_dependencies.sh tests ;;
  --full)
    scripts/install_dependencies.sh clients
    export RMQ_CLIENTS_REQUIRED=1
    ;;
  *) echo "usage: test.sh [--full]" >&2; exit 16 ;;
esac
build() {
  cmake --preset "$1" >/dev/null
  cmake --build --preset "$1" --parallel 2 "${@:2}" >"build/$1.log" 2>&1 || { grep -v '^\[' "build/$1.log" | tail -n 60 >&2; exit 1; }
  tail -n 1 "build/$1.log"
}
run() { ctest --preset "$1" --parallel 2 "${@:2}"; }
if [ "${1:-}" = --full ]; then
  echo "== clang, address and undefined behaviour sanitizers"
  build asan
  run asan
  echo "== fuzzers, ${FUZZ_SECONDS:-6} seconds each"
  scripts/fuzz.sh "${FUZZ_SECONDS:-6}"
  echo "== clang, thread sanitizer"
  build tsan --target thread_tests
  run tsan -L threads
fi
echo "== g++"
build dev
run dev
