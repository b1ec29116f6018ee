# Two commands matter: `make demo` and `make test`. Each installs what it needs itself, as root or as a user with sudo.

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench prompts install setup clean-demo

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: setup ## Ring the hotline with real speech, show the case, keep serving (ONCE=1: exit after the checks)
	cargo build --release
	target/release/minxin demo $(if $(ONCE),--once)

test: ## Run everything that must pass
	@.ci/setup test
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	npm ci --prefix tests/browser --no-audit --no-fund
	cargo build
	target/debug/minxin model fetch base
	cargo test

lint: ## Formatting, clippy, and what dependencies may come in (needs cargo-deny)
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo deny check

bench: ## Measure the stages of the audio path
	cargo bench

prompts: ## Render what prompts/zh-CN lacks with the text-to-speech voice
	$(MAKE) -C prompts/render

install: setup ## Build the binary that runs on a server
	cargo build --release
	@echo "target/release/minxin is built; config/deploy holds a unit file for systemd"

setup:
	@.ci/setup

clean-demo: ## Forget the demo's database and recordings
	rm -rf data/demo
