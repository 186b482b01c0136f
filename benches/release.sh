#!/usr/bin/env bash
# Builds target/release/entrada, optimized for the load of benches/cost/train.rs (PGO) where the tools for it are there.
set -euo pipefail
cd "$(dirname "$0")/.."

profdata=$(find "$(rustc --print sysroot)/lib/rustlib" -name llvm-profdata -print -quit)
for it in "${profdata:-llvm-profdata}" nginx wrk; do
    if ! command -v "$it" >/dev/null 2>&1; then
        echo "release: without a profile: $it is not there (rustup component add llvm-tools; apt-get install nginx wrk)"
        exec cargo build --release --locked
    fi
done

profiles=$PWD/target/pgo/profiles
rm -rf "$profiles"
RUSTFLAGS="-Cprofile-generate=$profiles" cargo build --release --locked --target-dir target/pgo
cargo bench --locked --bench cost -- --train target/pgo/release/entrada
"$profdata" merge -o target/pgo/merged.profdata "$profiles"
RUSTFLAGS="-Cprofile-use=$PWD/target/pgo/merged.profdata" cargo build --release --locked
echo "release: target/release/entrada, with a profile"
