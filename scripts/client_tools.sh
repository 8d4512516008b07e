#!/usr/bin/env bash
# Makes sure that the toolchains of the clients are there: those of the languages in the arguments. It installs what it may,
# and otherwise says in one line what to install. Plugins and libraries come with the build of each client.
set -euo pipefail

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

may_be_root() { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

go_fetches_others() {
  has go && [[ $(GOTOOLCHAIN=local go env GOVERSION) =~ ^go1\.([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge 21 ]
}

node_is_new() { has npm && [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ]; }

packages=()
for language in "$@"; do
  case $language in
    # From 1.21 on, Go fetches the version that a module asks for.
    go) go_fetches_others || fail 'please install Go 1.21 or newer, or leave go out with CLIENTS' ;;
    python) python3 -c 'import venv, ensurepip' 2>/dev/null || packages+=(python3 python3-venv) ;;
    typescript) node_is_new || fail 'please install Node.js 20 or newer with npm, or leave typescript out with CLIENTS' ;;
    java)
      has javac && has mvn || packages+=(default-jdk-headless maven)
      has grpc_java_plugin || packages+=(protobuf-compiler-grpc-java-plugin)
      ;;
    ruby)
      # Debian's gRPC, which leadchat's own Rails may have.
      ruby -e 'require "grpc"' 2>/dev/null && has grpc_tools_ruby_protoc || packages+=(ruby ruby-grpc ruby-grpc-tools)
      ;;
    *) fail "there is no client in $language" ;;
  esac
done
[ ${#packages[@]} = 0 ] && exit
if ! has apt-get || ! may_be_root; then
  fail "please install: ${packages[*]} (on Debian: apt-get install ${packages[*]}), or leave languages out with CLIENTS"
fi
echo "installing ${packages[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
as_root apt-get update >"$log" 2>&1 || true # One unreachable source need not matter: the next line tells.
if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${packages[@]}" >>"$log" 2>&1; then
  cat "$log" >&2
  fail "please install: ${packages[*]}"
fi
