#!/usr/bin/env bash
# Fuzzes one target, or each of them: run.sh TARGET|all [SECONDS]. Gets cargo-fuzz into target/tools; says what else is missing.
# The default is a minute, and five for the whole program.
#
# The seeds of corpus/ are read and never written: what is found on the way stays in target/fuzz, and what fails in fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:-all}
seconds=${2:-}
tool=$PWD/target/tools/cargo-fuzz
version=0.13.1

rustup run nightly rustc --version >/dev/null 2>&1 || {
    echo "fuzz: a nightly compiler is missing: rustup toolchain install nightly" >&2
    exit 1
}
if [ ! -x "$tool/bin/cargo-fuzz" ]; then
    # Not optimized: it only calls cargo.
    CARGO_TARGET_DIR=target/tools/build cargo install cargo-fuzz --version "$version" --locked --debug --root "$tool" --config profile.dev.debug=false
    rm -rf target/tools/build
fi
PATH=$tool/bin:$PATH
all=$(basename -s .rs fuzz/fuzz_targets/*.rs)
if [ "$target" = all ]; then target=$all; fi
for it in $target; do
    [ -f "fuzz/fuzz_targets/$it.rs" ] || {
        echo "fuzz: $it is none of the targets:" $all >&2
        exit 1
    }
    mkdir -p "target/fuzz/$it"
    default=60
    if [ "$it" = program ]; then default=300; fi
    cargo +nightly fuzz run "$it" "target/fuzz/$it" "fuzz/corpus/$it" -- -max_total_time="${seconds:-$default}" -print_final_stats=1
done
