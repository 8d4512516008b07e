#!/usr/bin/env bash
# Tries the properties of hostile input (the tests in the modules named fuzz) for longer than `cargo test` does: each for as
# many seconds as the first argument says, as many at a time as there are processors. What breaks one is printed. Input is
# random here; `cargo bolero` lets coverage guide it, see CONTRIBUTING.md. Then serves databases of random rows,
# and sends random bytes to a server.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

seconds=$1
[[ $seconds =~ ^[1-9][0-9]*$ ]] || {
  echo "fuzz.sh: how many seconds for each?" >&2
  exit 2
}

# Tries one property, in rounds, each on other input. Prints how many inputs there were, or what broke it.
try() {
  local program=$1 test=$2 seconds=$3
  local inputs=0 round=500 began
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  SECONDS=0
  # One that a fuzzer can guide keeps its time, and counts, by itself.
  if [[ $test == *::guided_* ]]; then
    if ! BOLERO_RANDOM_TEST_TIME_MS=$((seconds * 1000)) BOLERO_RANDOM_ITERATIONS=1000000000 \
      timeout $((seconds + 60)) "$program" --exact "$test" --nocapture >"$log" 2>&1; then
      printf '%s BROKE\n' "$test"
      cat "$log"
      return 1
    fi
    inputs=$(sed -n 's/.* rng inputs: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    printf '%9d inputs in %3d s  %s\n' "$inputs" "$SECONDS" "$test"
    return
  fi
  while ((SECONDS < seconds)); do
    began=$SECONDS
    # What does not come to an end is broken too.
    if ! PROPTEST_CASES=$round timeout $((seconds + 60)) "$program" --exact "$test" >"$log" 2>&1; then
      printf '%s BROKE after %d inputs\n' "$test" "$inputs"
      cat "$log"
      return 1
    fi
    inputs=$((inputs + round))
    # A round takes a second or two, so that time is kept.
    if ((SECONDS - began < 1)); then
      round=$((round * 2))
    elif ((SECONDS - began > 2)); then
      round=$((round / 2 + 1))
    fi
  done
  printf '%9d inputs in %3d s  %s\n' "$inputs" "$SECONDS" "$test"
}

if [ "${2-}" ]; then
  try "$2" "$3" "$seconds"
  exit
fi

# Overflows are found as in any other test. What makes up input and judges it is optimised, which is worth a factor of
# twenty; all else is as `cargo test` builds it, and is not built again.
optimised=()
for package in leadchat-inbox proptest bolero-engine; do
  optimised+=(--config "profile.dev.package.$package.opt-level=2")
done
program=$(
  cargo test --locked --lib --no-run "${optimised[@]}" 2>&1 | tee /dev/stderr |
    sed -n 's/^ *Executable unittests src\/lib\.rs (\(.*\))$/\1/p'
)
[ "$program" ]
mapfile -t tests < <("$program" --list --format terse | sed -n 's/^\(.*::fuzz::.*\): test$/\1/p')
[ "${#tests[@]}" != 0 ]

processors=$(getconf _NPROCESSORS_ONLN)
printf '%d properties, %d s each, %d at a time\n' "${#tests[@]}" "$seconds" "$processors"
printf '%s\n' "${tests[@]}" | xargs -P "$processors" -I '{}' "$0" "$seconds" "$program" '{}'

# A seed that breaks something is printed, and breaks it again.
export ODD_ROWS_SEED=$((RANDOM * 32768 + RANDOM)) ODD_ROWS_ROUNDS=10
printf 'rows of %d seeds from %d\n' "$ODD_ROWS_ROUNDS" "$ODD_ROWS_SEED"
export NOISE_SEED=$ODD_ROWS_SEED NOISE_ROUNDS=5
printf 'noise of %d rounds from %d\n' "$NOISE_ROUNDS" "$NOISE_SEED"
cargo test --locked --test it -- --ignored odd_rows noise
