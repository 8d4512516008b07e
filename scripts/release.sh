#!/usr/bin/env bash
# Makes the files of a release from the commit that is checked out, checks them, and says how to tag it:
# docs/releasing.md has the steps. It changes and pushes nothing, and makes a tag only with TAG=1.
#
#   DRY_RUN=1    accepts a section of CHANGELOG.md that is still marked as unreleased, and CLIENTS="go ruby"
#   TAG=1        makes the annotated tag
#   ADVISORY_DB  the folder of a clone of RustSec's advisories, where they cannot be fetched
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

# Pinned, as in scripts/tools.sh.
cyclonedx_version=0.5.9
audit_version=0.22.2
deny_version=0.20.2
advisories=https://github.com/RustSec/advisory-db
max_advisory_age_days=30
tools=target/tools/cargo
out=target/release-files
dry=${DRY_RUN-}

fail() {
  printf 'release: %s\n' "$*" >&2
  exit 1
}
step() { printf '\n== %s\n' "$*"; }
# Runs quietly; if it fails, its output is shown.
quietly() {
  local log
  log=$(mktemp)
  "$@" >"$log" 2>&1 || {
    cat "$log" >&2
    rm -f "$log"
    return 1
  }
  rm -f "$log"
}

version=$(sed -n '/^\[package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
[ "$version" ] || fail 'Cargo.toml has no version'
tag=v$version
commit=$(git rev-parse HEAD)
triple=$(rustc -vV | sed -n 's/^host: //p')
name=leadchat-inbox-$version-$triple
# The time of all files, and of the SBOM.
SOURCE_DATE_EPOCH=$(git show --no-patch --format=%ct "$commit")
export SOURCE_DATE_EPOCH

step "leadchat-inbox $version, commit $commit, for $triple"
[ -z "$(git status --porcelain)" ] || fail 'the tree has changes that are not committed'
[ -z "${TAG-}" ] || [ -z "$dry" ] || fail 'a trial makes no tag: TAG=1 and DRY_RUN=1 exclude each other'

# The section of this version, without its heading.
heading=$(grep -m 1 -E "^## ${version//./\\.}( |$)" CHANGELOG.md || true)
case $heading in
  "## $version ("[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]")") ;;
  "## $version (unreleased)")
    [ "$dry" ] || fail "CHANGELOG.md says that $version is unreleased; the heading needs the date: ## $version (YYYY-MM-DD)"
    ;;
  *) fail "CHANGELOG.md needs a section with the heading: ## $version (YYYY-MM-DD)" ;;
esac
changes=$(awk -v heading="$heading" '$0 == heading { on = 1; next } /^## / { on = 0 } on' CHANGELOG.md)
[ "$(tr -d '[:space:]' <<<"$changes")" ] || fail "the section $version of CHANGELOG.md is empty"

if tagged=$(git rev-parse --verify --quiet "$tag^{commit}"); then
  [ "$tagged" = "$commit" ] || fail "the tag $tag is at another commit, $tagged; a released version never changes"
fi

# Each place that has the version of a package or an image.
versions() {
  sed -n 's/^version=v\(.*\)$/clients\/go\/build \1/p' clients/go/build
  sed -n 's/^version = "\(.*\)"$/clients\/python\/pyproject.toml \1/p' clients/python/pyproject.toml
  sed -n 's/^__version__ = "\(.*\)"$/clients\/python\/src\/leadchat_inbox\/__init__.py \1/p' \
    clients/python/src/leadchat_inbox/__init__.py
  sed -n 's/^  "version": "\(.*\)",$/clients\/typescript\/package.json \1/p' clients/typescript/package.json
  sed -n 's/^ *VERSION = "\(.*\)"$/clients\/ruby\/lib\/leadchat_inbox\/version.rb \1/p' \
    clients/ruby/lib/leadchat_inbox/version.rb
  # The first version of a pom.xml is its own.
  sed -n 's/^  <version>\(.*\)<\/version>$/clients\/java\/pom.xml \1/p' clients/java/pom.xml | head -n 1
  sed -n 's/^ *image: leadchat-inbox:\(.*\)$/deploy\/compose.yaml \1/p' deploy/compose.yaml
  sed -n 's/^ *image: leadchat-inbox:\(.*\)$/deploy\/kubernetes\/deployment.yaml \1/p' deploy/kubernetes/deployment.yaml
}
[ "$(versions | wc -l)" = 8 ] || fail "the version was not found in 8 files: $(versions | tr '\n' ';')"
others=$(versions | awk -v version="$version" '$2 != version')
[ -z "$others" ] || fail "other versions than $version: $others"

step 'the contract'
scripts/contract.sh || fail 'the contract is not compatible with its baseline'
target/tools/node_modules/.bin/buf build --exclude-source-info -o target/contract.binpb
cmp -s target/contract.binpb proto/baseline.binpb ||
  fail 'proto/baseline.binpb is of an older contract; this writes it anew: make lint ACCEPT_CONTRACT=1'
echo 'proto/baseline.binpb is the image of this contract'

step 'licences, sources and advisories of the dependencies'
# A check that cannot be made is named in the notes of the release.
notes_of_checks=()
checked() { notes_of_checks+=("* $*") && printf '%s\n' "$*"; }
# Installs a program of this version, which takes minutes, unless it is there.
tool() {
  local program=$1 wanted=$2 installed
  installed=$("$tools/bin/$program" "${program#cargo-}" --version 2>/dev/null || true)
  [ "${installed##* }" = "$wanted" ] && return
  echo "installing $program $wanted"
  quietly cargo install --locked --root "$tools" "$program@$wanted"
}

if tool cargo-deny "$deny_version"; then
  quietly "$tools/bin/cargo-deny" --locked check licenses bans sources || fail 'cargo deny refuses a dependency'
  checked "Licences, bans and sources: passed, with cargo-deny $deny_version."
else
  checked "Licences, bans and sources: not made: cargo-deny $deny_version cannot be installed."
fi

# Prints the folder of the advisories, or fails.
advisory_folder() {
  local folder=target/tools/advisory-db
  if [ "${ADVISORY_DB-}" ]; then
    echo "$ADVISORY_DB"
  elif [ -d "$folder/.git" ]; then
    timeout 120 git -C "$folder" pull --quiet --ff-only 2>/dev/null && echo "$folder"
  else
    timeout 120 git clone --quiet --depth 1 "$advisories" "$folder" 2>/dev/null && echo "$folder"
  fi
}
if ! tool cargo-audit "$audit_version"; then
  checked "Advisories: not made: cargo-audit $audit_version cannot be installed."
elif ! folder=$(advisory_folder); then
  checked "Advisories: not made: $advisories cannot be fetched."
else
  date=$(git -C "$folder" show --no-patch --format=%cs)
  age=$((($(date +%s) - $(git -C "$folder" show --no-patch --format=%ct)) / 86400))
  report=$(mktemp)
  if "$tools/bin/cargo-audit" audit --db "$folder" --no-fetch --deny unmaintained --deny unsound >"$report" 2>&1; then
    result=passed
  elif grep -q '^error: .* vulnerabilit\|^error: .* denied warning' "$report"; then
    cat "$report"
    fail "cargo audit has found advisories in the list of $date"
  else
    cat "$report"
    fail "cargo audit cannot read the advisories in $folder"
  fi
  if [ "$age" -gt "$max_advisory_age_days" ]; then
    checked "Advisories: not made: the list is of $date, $age days old. With that list: $result."
  else
    checked "Advisories: $result, with cargo-audit $audit_version and the list of $date."
  fi
fi

step 'the program'
cargo build --locked --profile dist --bin leadchat-inbox
program=${CARGO_TARGET_DIR:-target}/dist/leadchat-inbox
# A program without any is no mistake.
glibc=$({ grep -ao 'GLIBC_2\.[0-9]*' "$program" || true; } | sort -Vu | tail -n 1 | tr _ ' ')

rm -rf -- "$out"
mkdir -p "$out"
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf -- "$work" sbom.json' EXIT

# Equal files make an equal archive: the order, the times, the owners and the modes are fixed.
archive() {
  tar --create --directory "$2" --sort=name --format=gnu --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 \
    --numeric-owner --mode=u+rwX,go+rX,go-w "${@:3}" | gzip --no-name --best >"$out/$1"
}
mkdir "$work/$name"
git archive "$commit" README.md CHANGELOG.md SECURITY.md LICENSE docs deploy proto | tar -x -C "$work/$name"
install --mode 0755 "$program" "$work/$name/leadchat-inbox"
scripts/third_party.py "$triple" >"$work/$name/THIRD-PARTY-LICENSES"
archive "$name.tar.gz" "$work" "$name"

step 'the SBOM'
tool cargo-cyclonedx "$cyclonedx_version" || fail "cargo-cyclonedx $cyclonedx_version cannot be installed"
sbom=$name.cdx.json
quietly "$tools/bin/cargo-cyclonedx" cyclonedx --quiet --format json --spec-version 1.5 --target "$triple" --override-filename sbom
# The folder of the build is nothing of the release.
sed "s|path+file://$PWD#|path+file:///#|g" sbom.json >"$out/$sbom"
rm sbom.json
crates=$(cargo tree --locked --edges normal,build --target "$triple" --prefix none | sed 's/ (.*//' |
  sort -u | grep -v "^leadchat-inbox v")
listed=$(python3 -c 'import json, sys
for it in json.load(open(sys.argv[1]))["components"]: print(it["name"], "v" + it["version"])' "$out/$sbom" | sort -u)
missing=$(comm -23 <(printf '%s\n' "$crates") <(printf '%s\n' "$listed"))
[ -z "$missing" ] || fail "the SBOM lacks $missing"
echo "$(wc -l <<<"$crates") crates are in the SBOM"

step 'the clients'
clients='go python typescript java ruby'
[ -z "$dry" ] || clients=${CLIENTS:-$clients}
for client in $clients; do
  "clients/$client/build" || fail "clients/$client/build failed"
  from=target/clients/$client
  case $client in
    go) archive "leadchat-inbox-go-$version.tar.gz" "$from" proxy ;;
    python) cp -- "$from/dist/leadchat_inbox-$version-py3-none-any.whl" "$out/" ;;
    typescript) cp -- "$from/leadchat-inbox-client-$version.tgz" "$out/leadchat-inbox-typescript-$version.tgz" ;;
    java) archive "leadchat-inbox-java-$version.tar.gz" "$from" repository ;;
    ruby) cp -- "$from/leadchat-inbox-client.gem" "$out/leadchat-inbox-client-$version.gem" ;;
  esac
done

step 'notes and checksums'
{
  printf '# leadchat-inbox %s\n\n' "$version"
  [ -z "$dry" ] || printf 'This is a trial, not a release.\n\n'
  printf '* Commit: %s\n* Built with: %s, for %s, which needs %s or newer.\n' \
    "$commit" "$(rustc --version)" "$triple" "${glibc:-no glibc}"
  printf '%s\n' "${notes_of_checks[@]}"
  printf '%s\n' "$changes"
} >"$out/RELEASE_NOTES.md"
(cd -- "$out" && LC_ALL=C sha256sum -- * >"$work/SHA256SUMS" && mv -- "$work/SHA256SUMS" .)

step 'the archive, unpacked'
(cd -- "$out" && sha256sum --check --quiet SHA256SUMS)
mkdir "$work/unpacked"
tar -xzf "$out/$name.tar.gz" -C "$work/unpacked"
unpacked=$work/unpacked/$name
[ "$("$unpacked/leadchat-inbox" --version)" = "leadchat-inbox $version" ] || fail 'the program has another version'
(cd -- "$unpacked" && exec ./leadchat-inbox serve --demo --listen 127.0.0.1:0) >"$work/printed" 2>"$work/log" &
server=$!
for _ in {1..300}; do
  address=$(sed -n 's/.* is listening on //p' "$work/printed")
  [ "$address" ] || ! kill -0 "$server" 2>/dev/null || { sleep 0.1 && continue; }
  break
done
[ "$address" ] || { cat "$work/log" >&2 && fail 'the program does not listen'; }
"$unpacked/leadchat-inbox" health "$address" || fail 'the program is not healthy'
kill "$server"
wait "$server" || fail 'the program does not end with exit code 0'
server=

step "$out"
find "$out" -type f -printf '%10s %f\n' | LC_ALL=C sort -k 2
if [ "$dry" ]; then
  printf '\nThis was a trial of %s.\n' "$version"
elif [ "$tagged" ]; then
  printf '\nThe tag %s is at this commit.\n' "$tag"
elif [ "${TAG-}" ]; then
  git tag --annotate "$tag" --message "leadchat-inbox $version" "$commit"
  printf '\nThe tag %s is made, and not pushed.\n' "$tag"
else
  printf '\nTo tag it: git tag --annotate %s --message "leadchat-inbox %s" %s\n' "$tag" "$version" "$commit"
fi
