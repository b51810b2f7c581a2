#!/usr/bin/env bash
# fuzz.sh SECONDS [STEM...]: runs every fuzzer of the fuzz preset (or those named) so long, from its corpus. New inputs
# stay in build/ (FUZZ_SEED, default 1, makes a run repeatable); what crashes a fuzzer is left in build/fuzz-findings and ends the run.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=$1; shift
findings=$PWD/build/fuzz-findings
mkdir -p "$findings"
for binary in build/fuzz/fuzz/*_fuzz; do
  stem=$(basename "$binary" _fuzz)
  [ $# -gt 0 ] && [[ " $* " != *" $stem "* ]] && continue
  grown=build/fuzz-corpus/$stem
  mkdir -p "$grown"
  seeds=()
  for directory in fuzz/corpus/"$stem" fuzz/regressions/"$stem"; do [ -d "$directory" ] && seeds+=("$directory"); done
  printf '%-32s' "$stem"
  "$binary" "$grown" "${seeds[@]}" -max_total_time="$seconds" -seed="${FUZZ_SEED:-1}" -rss_limit_mb=2048 -timeout=10 -print_final_stats=1 \
    -artifact_prefix="$findings/$stem-" >"$findings/$stem.log" 2>&1 || { tail -n 40 "$findings/$stem.log"; exit 1; }
  grep -o 'stat::number_of_executed_units: *[0-9]*' "$findings/$stem.log" | sed 's/.*: */executions: /'
done
