#!/usr/bin/env bash
# Mutation tests of the modules that decide who may pass: run.sh [SEED [MODULE...]].
#
# cargo-mutants changes one expression at a time, and the unit tests named below must fail. Up to MUTANTS of each module are tried
# (default 40), chosen by the seed, for MINUTES at most in all (default 120). Exits with 1 if a mutant survives that answered.toml
# does not list, or if there was no time for a module. It works on a copy in target/mutants, so the working tree can be edited meanwhile.
set -euo pipefail
cd "$(dirname "$0")/../.."
seed=${1:-$RANDOM}
shift || true
most=${MUTANTS:-40}
minutes=${MINUTES:-120}
here=tests/mutants
tool=$PWD/target/tools/cargo-mutants
version=27.1.0
work=$PWD/target/mutants

# Module, then the filters of the library's tests that must notice a change in it.
modules="
src/access               access::
src/base/target.rs       base::target::
src/base/return_to.rs    base::return_to::
src/base/redirect_uri.rs base::redirect_uri::
src/entra/rules.rs       entra::tests::tokens::
src/entra/tenants.rs     entra::tests::tokens::
src/wire/forwarded.rs    wire::forwarded::
src/wire/cookies.rs      wire::cookies::
src/headers/owned.rs     headers::owned:: config::headers::
src/session              session::
src/bearer               bearer::
"

for module; do
    if ! awk '{ print $1 }' <<<"$modules" | grep -qxF -- "$module"; then
        echo "$module is none of the modules:$(awk 'NF { printf " %s", $1 }' <<<"$modules")" >&2
        exit 2
    fi
done

if [ ! -x "$tool/bin/cargo-mutants" ]; then
    # Not optimized: it mostly calls cargo.
    CARGO_TARGET_DIR=target/tools/build cargo install cargo-mutants --version "$version" --locked --debug --root "$tool" --config profile.dev.debug=false
    rm -rf target/tools/build
fi

# The copy is new each time, with new times of change: cargo would take a mutant left behind by an interrupted run for current.
copy() {
    rm -rf "$work/tree" "$work/out"
    mkdir -p "$work/tree" "$work/out"
    git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
        if [ -e "$file" ]; then printf '%s\0' "$file"; fi
    done | xargs -0 cp --parents -t "$work/tree"
}

mutants=("$tool/bin/cargo-mutants" mutants --dir "$work/tree" --config "$here/answered.toml" --colors never)

# The names in an order that depends on the seed and on them alone.
shuffled() {
    while IFS= read -r name; do
        printf '%s %s\n' "$(printf '%s\n%s' "$seed" "$name" | sha256sum | cut -c1-16)" "$name"
    done | sort | cut -d' ' -f2-
}

lines() { if [ -f "$1" ]; then wc -l <"$1"; else echo 0; fi; }

# Tries some mutants of a module. An interrupted run has tried what its files list. cargo-mutants 27.1 selects and excludes all kinds by
# name but one: mutants that delete a field of a struct are tried every time, in addition.
try() {
    local module=$1 left=$2 files=$1 out name re=() code=0
    shift 2
    [[ $module == *.rs ]] || files=$module/**/*.rs
    out=$work/out/${module//\//-}
    mkdir -p "$out"
    "${mutants[@]}" --list --file "$files" >"$out/all.txt"
    while IFS= read -r name; do
        re+=(--re "^$(printf '%s' "$name" | sed 's/[][\.^$*+?(){}|]/\\&/g')\$")
    done < <(shuffled <"$out/all.txt" | head -n "$most")
    # No debug information: nobody reads a mutant's backtrace. The test of very many sessions measures time, which says nothing here.
    CARGO_TARGET_DIR=$work/build CARGO_PROFILE_DEV_DEBUG=false timeout --signal=INT "$left" \
        "${mutants[@]}" --in-place --timeout 60 --cargo-arg=--lib --output "$out" --file "$files" "${re[@]}" \
        -- -- "$@" --skip found_among_very_many || code=$?
    # 2 and 3: some survived, or ran into the timeout; 124: the time is over.
    case $code in 0 | 2 | 3 | 124) ;; *) exit "$code" ;; esac
    out=$out/mutants.out
    caught=$(($(lines "$out/caught.txt") + $(lines "$out/timeout.txt")))
    missed=$(lines "$out/missed.txt")
    printf '%-26s %3d of %3d killed, %d of %d tried\n' "$module" "$caught" $((caught + missed)) \
        $((caught + missed + $(lines "$out/unviable.txt"))) "$(lines "$out/../all.txt")" >>"$work/out/scores.txt"
    [ ! -s "$out/missed.txt" ] || cat "$out/missed.txt" >>"$work/out/survivors.txt"
}

echo "mutants: seed $seed; the same again: make mutants SEED=$seed"
copy
untried=0
while read -r module filters; do
    [ -n "$module" ] || continue
    [ $# -eq 0 ] || [[ " $* " == *" $module "* ]] || continue
    left=$((minutes * 60 - SECONDS))
    if [ "$left" -le 0 ]; then
        echo "$module: not tried, the time is over" >>"$work/out/scores.txt"
        untried=1
        continue
    fi
    # shellcheck disable=SC2086
    try "$module" "$left" $filters </dev/null
done <<<"$modules"
echo
cat "$work/out/scores.txt"
[ -f "$work/out/survivors.txt" ] || exit "$untried"
echo
echo "Survivors; each needs a test that notices it, or a line with the reason in $here/answered.toml:"
cat "$work/out/survivors.txt"
exit 1
