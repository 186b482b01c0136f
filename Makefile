# Everything a newcomer types: `make dev` and `make test`.
.PHONY: dev test test-long setup lint deny advisories docs release bench fuzz mutants

dev:
	@test -x "$${CARGO_TARGET_DIR:-target}/debug/entrada" || echo "Compiling Entrada and everything it needs. The first time takes a few minutes."
	cargo run -- dev

# Gets all it needs (tests/outside/setup.sh), and says what it had to skip.
test: setup lint deny docs
	rm -f target/skipped.txt
	cargo test
	@if [ -s target/skipped.txt ]; then echo; echo "SKIPPED:"; sort -u target/skipped.txt; fi

# What takes too long or too much for every change: ten thousand WebSockets (20 000 open files for all of them), and faults of Redis and of
# replicas for twice ten minutes; STORY_MINUTES=1 sets another time, and STORY_SEED=7 repeats a run.
test-long:
	cargo test --test stories -- --ignored --nocapture ten_thousand_idle_web_sockets
	cargo test --test stories -- --ignored --nocapture --test-threads 1 replicas_faults

setup:
	tests/outside/setup.sh

lint:
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings

# CPU, latency and memory next to nginx, into docs/development/benchmarks.md (most of an hour, half of it for two builds); `make bench QUICK=1` prints the headline within minutes.
# The whole run measures the distributed build, with a plain release build beside it, whose symbols tell valgrind the parts of the program.
bench:
ifdef QUICK
	cargo build --profile quick
	cargo bench --profile dev --bench cost -- --binary $${CARGO_TARGET_DIR:-target}/quick/entrada --quick $(ARGS)
else
	benches/pgo.sh
	target=$${CARGO_TARGET_DIR:-target}; plain=$$target/plain/release/entrada; \
	CARGO_PROFILE_RELEASE_STRIP=none cargo build --release --bin entrada --target-dir $$target/plain && \
	cargo bench --profile dev --bench cost -- --binary $$target/dist/entrada --plain $$plain --symbols $$plain $(ARGS)
endif

# The binary to hand out: with profile-guided optimization where llvm-tools, nginx and wrk are here.
release:
	benches/pgo.sh

# Checks dependencies for bans, licenses and sources.
deny:
	@if [ -x target/tools/cargo-deny/bin/cargo-deny ]; then target/tools/cargo-deny/bin/cargo-deny --locked check --hide-inclusion-graph bans licenses sources; \
	else echo "SKIPPED: cargo-deny is not there: make setup"; test "$$CI" != true; fi

# Known vulnerabilities; needs the advisory database from the network.
advisories:
	target/tools/cargo-deny/bin/cargo-deny --locked check advisories

docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items

# One target for a minute: `make fuzz TARGET=return_to`; without TARGET each of them. The target `program` runs the whole program, for five
# minutes. SECONDS=... sets another time. Needs a nightly compiler; gets cargo-fuzz itself.
fuzz:
	fuzz/run.sh $(or $(TARGET),all) $(SECONDS)

# Whether the unit tests notice changes in the modules that decide who may pass: two hours at most, not part of `make test`.
# `make mutants SEED=7` repeats a run; `make mutants SEED=7 MODULE=src/access MUTANTS=10` limits it. Gets cargo-mutants itself.
mutants:
	tests/mutants/run.sh "$(SEED)" $(MODULE)
