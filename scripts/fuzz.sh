#!/usr/bin/env bash
# fuzz.sh SECONDS [STEM...]: runs every fuzzer of the asan preset (or those named) so long, two at a time, from its corpus.
# New inputs stay in build/ (FUZZ_SEED, default 1, makes a run repeatable); what crashes a fuzzer is left in
# build/fuzz-findings and ends the run.
set -euo pipefail
cd "$(dirname "$0")/.."
export seconds=$1; shift
export findings=$PWD/build/fuzz-findings
mkdir -p "$findings"
fuzz_one() {
  local binary=$1 stem grown directory seeds=()
  stem=$(basename "$binary" _fuzz)
  grown=build/fuzz-corpus/$stem
  mkdir -p "$grown"
  for directory in fuzz/corpus/"$stem" fuzz/regressions/"$stem"; do [ -d "$directory" ] && seeds+=("$directory"); done
  "$binary" "$grown" "${seeds[@]}" -max_total_time="$seconds" -seed="${FUZZ_SEED:-1}" -rss_limit_mb=2048 -timeout=10 \
    -print_final_stats=1 -artifact_prefix="$findings/$stem-" >"$findings/$stem.log" 2>&1 ||
    { tail -n 40 "$findings/$stem.log"; return 255; }  # 255 ends xargs
  printf '%-32s%s\n' "$stem" "$(grep -o 'stat::number_of_executed_units: *[0-9]*' "$findings/$stem.log" | sed 's/.*: */executions: /')"
}
export -f fuzz_one
for binary in build/asan/fuzz/*_fuzz; do
  [ $# -gt 0 ] && [[ " $* " != *" $(basename "$binary" _fuzz) "* ]] && continue
  printf '%s\0' "$binary"
done | xargs -0 -n 1 -P 2 bash -c 'fuzz_one "$1"' fuzz_one
