#!/usr/bin/env bash
# Compares the contract with proto/baseline.binpb, an image that no change may break. Until the first tag, a commit that breaks
# the contract writes the image anew with ACCEPT_CONTRACT=1, and CHANGELOG.md says so. From the first tag on, the image is that
# of the newest tag, and the commit of a release writes it.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

baseline=proto/baseline.binpb
buf=target/tools/node_modules/.bin/buf
tag=$(git describe --tags --abbrev=0 2>/dev/null || true)
if [ "${ACCEPT_CONTRACT-}" ]; then
  if [ "$tag" ]; then
    echo "the contract of $tag may not be broken: add fields, or a new package" >&2
    exit 1
  fi
  "$buf" build --exclude-source-info -o "$baseline"
fi
if [ "$tag" ] && ! git show "$tag:$baseline" | cmp -s - "$baseline"; then
  echo "$baseline is not that of $tag" >&2
  exit 1
fi
"$buf" breaking --against "$baseline"
