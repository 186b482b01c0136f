#!/usr/bin/env bash
# Builds the distributed binary, target/dist/entrada: with profile-guided optimization where its tools are here, else as any release build.
# The profile comes from the benchmark's own load: sign-ins, requests in clear and over TLS, small and large bodies, with and without log.
set -euo pipefail
cd "$(dirname "$0")/.."

target="${CARGO_TARGET_DIR:-target}"
host="$(rustc -vV | sed -n 's/^host: //p')"
profdata="$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata"
dist="$target/dist"
mkdir -p "$dist"

plain() {
    echo "make release: $1; building without profile-guided optimization" >&2
    [ -z "${2:-}" ] || echo "hint: $2" >&2
    cargo build --release
    cp "$target/release/entrada" "$dist/entrada"
    echo "$dist/entrada"
    exit 0
}

# rustc's own version of the tool: the profile's format changes between versions of LLVM.
if [ ! -x "$profdata" ] && command -v rustup >/dev/null; then
    rustup component add llvm-tools >&2 || true
fi
[ -x "$profdata" ] || plain "llvm-profdata is not part of this toolchain, and rustup could not add it" "rustup component add llvm-tools"
PATH="$PATH:/usr/sbin:/usr/local/sbin"
command -v nginx >/dev/null || plain "the training load needs nginx" "apt-get install nginx-light"
command -v wrk >/dev/null || plain "the training load needs wrk" "apt-get install wrk"

mkdir -p "$target/pgo-train"
# The same place every time, since it is part of the flags that decide whether cargo builds anew.
profiles="$(realpath "$target/pgo-train")/profiles"
rm -rf "$profiles"

# With --target, build scripts and macros stay as they are. One target directory for each of the two builds.
RUSTFLAGS="${RUSTFLAGS:-} -Cprofile-generate=$profiles" cargo build --release --bin entrada --target "$host" --target-dir "$target/pgo-train"
cargo bench --quiet --profile dev --bench cost -- --train "$target/pgo-train/$host/release/entrada" || plain "the training load failed (see above)"
"$profdata" merge -o "$profiles/merged.profdata" "$profiles"/*.profraw || plain "the profiles could not be merged"

RUSTFLAGS="${RUSTFLAGS:-} -Cprofile-use=$profiles/merged.profdata" cargo build --release --bin entrada --target "$host" --target-dir "$target/pgo"
cp "$target/pgo/$host/release/entrada" "$dist/entrada"
echo "$dist/entrada"
