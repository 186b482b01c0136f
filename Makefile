# Everything a newcomer types: `make dev` and `make test`.
.PHONY: dev test lint bench release

dev:
	cargo run -q -- dev

test: lint
	cargo test

lint:
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings

# CPU, latency and memory next to nginx, into docs/benchmarks.md (a quarter of an hour); `make bench QUICK=1` prints the headline within minutes.
BENCH_PROFILE := $(if $(QUICK),quick,release)
bench:
	cargo build --profile $(BENCH_PROFILE)
	cargo bench --profile dev --bench cost -- --binary $${CARGO_TARGET_DIR:-target}/$(BENCH_PROFILE)/entrada $(if $(QUICK),--quick) $(ARGS)

# The binary to hand out: with profile-guided optimization where llvm-tools, nginx and wrk are here.
release:
	benches/pgo.sh
