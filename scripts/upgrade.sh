#!/usr/bin/env bash
# Builds the version at a commit, and replaces two replicas of it under load by the version in this folder, and back.
#
#   scripts/upgrade.sh [COMMIT]
#
# Without a commit, it is the last one before secrets in files. A version is built once, into target/upgrade.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

commit=$(git rev-parse --verify --short=12 "${1:-9fb2c66}^{commit}")
folder=$PWD/target/upgrade
program=$folder/$commit/leadchat-inbox
if [ ! -x "$program" ]; then
  echo "building $(git show --no-patch --format='%h of %cs: %s' "$commit")"
  rm -rf -- "$folder/source"
  mkdir -p "$folder/source" "$folder/$commit"
  # Files of now: cargo would take older ones for those that it has built.
  git archive "$commit" | tar -x --touch -C "$folder/source"
  # With a folder of its own, so that neither build replaces files of the other.
  (cd -- "$folder/source" && CARGO_TARGET_DIR=$folder/build cargo build --locked --bin leadchat-inbox)
  mv -- "$folder/build/debug/leadchat-inbox" "$program"
  rm -rf -- "$folder/source"
fi
# One database at a time: the versions share the processors with the callers.
UPGRADE_FROM=$program cargo test --locked --test it -- --ignored suites::upgrades --nocapture --test-threads=1
