# The two commands of the README are `make demo` and `make test`; each does all its set-up.
.DEFAULT_GOAL := help
DEVNET := tests/devnet
MODULES := $(DEVNET)/node_modules/.package-lock.json
DEMO_ARGS ?=
# Cargo features beyond the default, as the merge gate sets them: FEATURES="--features aws-kms"
FEATURES ?=

.PHONY: help setup demo test faults soak bench screenshots fmt lint docs deny ci clean

help: ## Lists the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

setup: tools $(MODULES) ## Installs what demo and tests need

.PHONY: tools browser
tools:
	@.ci/tools

browser:
	@.ci/tools browser

$(MODULES): $(DEVNET)/package-lock.json $(DEVNET)/.npmrc
	@.ci/npm-ci $(DEVNET)

demo: setup ## Two local chains with the real contracts, one keeper, markets that move
	@cargo run --locked --quiet --bin ballast -- demo $(DEMO_ARGS)

test: setup browser ## All tests
	@cargo test --workspace --locked $(FEATURES)

faults: setup ## Every fault of an endpoint against every kind of work, as a table; some minutes
	@FAULT_SEED=all cargo test --quiet --locked -p ballast --test e2e \
		faults::the_matrix_or_a_slice_of_it -- --exact; \
		code=$$?; cat target/faults.md; exit $$code

SOAK_SEED ?= $(shell date +%s)
SOAK_BLOCKS ?= 2000
SOAK_PRODUCTS ?= 20
soak: setup ## Many products for many blocks with random trouble, then everything is counted; some minutes
	@SOAK_SEED=$(SOAK_SEED) SOAK_BLOCKS=$(SOAK_BLOCKS) SOAK_PRODUCTS=$(SOAK_PRODUCTS) \
		cargo test --quiet --locked -p ballast --test e2e \
		soak::every_intent_of_many_products_is_executed_once -- --exact --nocapture

screenshots: setup browser ## The pictures of docs/screenshots, from a running keeper
	@BALLAST_SCREENSHOTS="$(CURDIR)/docs/screenshots" cargo test --quiet --locked -p ballast --test e2e \
		page::shots::pictures_of_a_keeper_at_work -- --exact

BENCH_ARGS ?=
bench: setup ## The keeper beside a bare loop; builds for release, some 15 minutes. docs/performance.md
	@cargo bench --locked --bench keeper -- $(BENCH_ARGS)

fmt: ## Formats the sources
	@cargo fmt --all

lint: ## Format and clippy, warnings are errors
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets --locked $(FEATURES) -- -D warnings

docs: ## API documentation, warnings are errors
	@RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --document-private-items $(FEATURES)

deny: ## Licences, bans and sources of all dependencies
	@.ci/deny

ci: ## Everything the merge gate runs
	@.ci/run

clean: ## Removes what was built and installed here
	@rm -rf target $(DEVNET)/node_modules
