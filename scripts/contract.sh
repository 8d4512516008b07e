#!/usr/bin/env bash
# Compares the contract with proto/baseline.binpb, an image that no change may break. Until the first tag, a commit that breaks
# the contract writes the image anew with ACCEPT_CONTRACT=1, and CHANGELOG.md says so. From the first tag on, the image is that
# of the newest tag. Only the commit of a release writes it anew: it is then the image of this contract, which may not break
# that of the newest tag.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

baseline=proto/baseline.binpb
buf=target/tools/node_modules/.bin/buf
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
tag=$(git describe --tags --abbrev=0 2>/dev/null || true)
if [ "$tag" ]; then
  git show "$tag:$baseline" >"$work/tagged.binpb"
  "$buf" breaking --against "$work/tagged.binpb" || {
    echo "the contract of $tag may not be broken: add fields, or a new package" >&2
    exit 1
  }
fi
"$buf" build --exclude-source-info -o "$work/current.binpb"
if [ "${ACCEPT_CONTRACT-}" ]; then
  cp -- "$work/current.binpb" "$baseline"
fi
if [ "$tag" ] && ! cmp -s "$work/tagged.binpb" "$baseline" && ! cmp -s "$work/current.binpb" "$baseline"; then
  echo "$baseline is neither that of $tag nor that of this contract" >&2
  exit 1
fi
"$buf" breaking --against "$baseline"
