# What people and machines run here. Each target says what it does; `make` alone lists them.

# How long `make fuzz` tries each of 56 properties, as many at a time as there are processors. On two processors, 12 s
# come to 56 * 12 s / 2, about five minutes. The random rows and bytes after them take about two more.
SECONDS_EACH := 12

# The same for `make test-slow`: 56 * 3 s / 2 and the random rows and bytes, about three minutes.
SLOW_SECONDS_EACH := 3

# Tests that run at a time. Most wait for a server, a lock or a time-out, so more than there are processors.
TEST_THREADS := 4

# Where the databases of the tests are: in memory where that has 4 GiB to spare, for they have thousands of small files.
# A disk is as good, and slower.
TEST_TMPDIR := $(shell [ "$$(df --output=avail -B1M /dev/shm 2>/dev/null | tail -n 1)" -ge 4096 ] 2>/dev/null && \
  [ -w /dev/shm ] && echo /dev/shm || echo "$${TMPDIR:-/tmp}")

# How long `make soak` runs: rounds of each kind of right, and seconds of histories, on each database. Of the rounds
# through watches, a quarter is for each of two rights on each database.
SOAK_ROUNDS := 10000
SOAK_SECONDS := 3600

BUF := target/tools/node_modules/.bin/buf

# The clients that `make clients` tries.
CLIENTS ?= go python typescript java ruby

.DEFAULT_GOAL := help
.PHONY: help run test test-slow clients deploy-check upgrade soak fuzz bench load callers secrets lint \
  release deny tools

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.* ## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

run: ## Serve demonstration data from a throw-away store
	cargo run --release --locked -- serve --demo

test: lint ## Everything that has to pass: tools, lint, then all tests
	TMPDIR=$(TEST_TMPDIR) cargo test --locked --lib --bins --tests -- --show-output --test-threads=$(TEST_THREADS)

test-slow: test-tools ## Tests of minutes: faults, mistakes, versions of PostgreSQL, random rows and bytes, fuzzing
	cargo test --locked --test it -- --ignored --skip clients_conform --skip upgrades --show-output --test-threads=$(TEST_THREADS)
	@scripts/fuzz.sh $(SLOW_SECONDS_EACH)

clients: test-tools client-tools ## Build the clients in CLIENTS, and try each against real servers
	CLIENTS="$(CLIENTS)" cargo test --locked --test it -- --ignored clients_conform --nocapture

deploy-check: ## Check the files for deployment
	@deploy/check

upgrade: test-tools ## Replace two replicas under load by another version, FROM=<commit>, and back
	@scripts/client_tools.sh go
	@scripts/upgrade.sh $(FROM)

soak: test-tools ## Rights and content under random writers, for hours
	ROUNDS=$(SOAK_ROUNDS) HISTORY_SECONDS=$(SOAK_SECONDS) TMPDIR=$(TEST_TMPDIR) cargo test --locked --test it -- \
	  old_rights_never_meet_new_content every_answer_is_the_state_of_one_instant --show-output --test-threads=1

fuzz: test-tools ## Look for inputs that break things, for longer
	@scripts/fuzz.sh $(SECONDS_EACH)

bench: ## Measure the cost of calls, reads and memory beside floors; writes docs/performance.md
	cargo bench --locked --profile dist --bench performance

load: ## Measure how many callers are served, how quickly, and what an overload does
	cargo bench --locked --profile dist --bench load

callers: ## Measure what certificates, tokens, rules and the audit cost; writes docs/performance.md
	cargo bench --locked --profile dist --bench callers

secrets: ## Measure what encrypted secrets and signed addresses cost a list
	cargo bench --locked --profile dist --bench encryption

lint: test-tools ## Check format, lints and the contract's rules
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings
	$(BUF) lint
	@scripts/contract.sh

release: test-tools client-tools ## Make and check the files of a release; DRY_RUN=1 tries it before
	@DRY_RUN=$(DRY_RUN) TAG=$(TAG) CLIENTS="$(CLIENTS)" scripts/release.sh

deny: ## Check licences, bans and sources of the dependencies (needs cargo-deny)
	cargo deny --locked check licenses bans sources

tools: test-tools client-tools ## Install what is missing for tests and clients, or say what to install

.PHONY: test-tools client-tools
test-tools:
	@scripts/tools.sh

client-tools:
	@scripts/client_tools.sh $(CLIENTS)
