# Everything a newcomer types: `make dev` and `make test`.
.PHONY: dev test lint

dev:
	cargo run -q -- dev

test: lint
	cargo test

lint:
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
