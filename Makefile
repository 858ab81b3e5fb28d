# Everything here needs Rust and make; the control plane is built with Go, once, unless one is found.
# Tests against real authorization servers need Java and Node too, and are left out without them, except in CI.
# The recipes are for any POSIX shell.

SHELL = /bin/sh
.DEFAULT_GOAL = help
.PHONY: help demo test soak image e2e build lint format docs deny crds compatibility tools rust-tools lint-tools control-plane-tools mailbox-tools

CARGO ?= cargo

# Where cargo puts what it builds, wherever that was configured.
target = $$($(CARGO) metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')

# With --examples, though there are none, cargo chooses the crates' features as for tests. So all targets
# here share what is built, and nothing is built twice.
as_for_tests = --workspace --examples

# The other programs have the name of their library, whose pages would be overwritten.
document = RUSTDOCFLAGS=-Dwarnings $(CARGO) doc --no-deps $(as_for_tests) --lib --bin control-plane --bin authorization-servers --bin mailbox-server --bin keywright-demo --bin keywright-node --bin witness

# $(call phase,NAME,COMMAND) says what is done, and how long it took.
phase = begun=$$(date +%s); echo "==> $(1)"; $(2) && echo "==> $(1): done in $$(($$(date +%s) - begun)) s"

help: ## Show this list
	@echo "Keywright, a Kubernetes operator for machine credentials"
	@echo
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1 | \2/p' $(firstword $(MAKEFILE_LIST)) | awk -F '|' '{ printf "%-16s %s\n", $$1, $$2 }'
	@echo
	@echo "  KEEP=1 make demo                      goes on running at the end, and prints commands to try, until Ctrl-C"
	@echo "  KUBECONFIG=... CLUSTER=1 make demo    uses your cluster instead of starting a control plane"
	@echo "  make demo ONBOARDING=1                goes from an e-mail address to a working key, through a real mailbox"

demo: rust-tools control-plane-tools mailbox-tools build ## Show Keywright at work, on a real control plane and a sandbox of Didit
	@"$(target)/debug/keywright-demo"

# Most tests wait for programs that run beside them, so that four at a time are not too many for two processors.
test: tools ## Check everything: formatting, lints, documentation, generated files, all tests
	@$(call phase,formatting,$(CARGO) fmt --all --check)
	@$(call phase,lints,$(CARGO) clippy --workspace --all-targets -- -D warnings)
	@$(call phase,documentation,$(document))
	@$(call phase,build,$(CARGO) test --workspace --no-run --quiet && $(CARGO) build --quiet $(as_for_tests) --bins)
	@$(call phase,control plane,"$(target)/debug/control-plane" build > /dev/null)
	@$(call phase,mail server,"$(target)/debug/mailbox-server" build > /dev/null)
	@$(call phase,Helm,"$(target)/debug/keywright-helm" > /dev/null)
	@$(call phase,authorization servers,"$(target)/debug/authorization-servers" install)
	@$(call phase,tests,RUST_TEST_THREADS=$${RUST_TEST_THREADS:-4} "$(target)/debug/control-plane" exec -- "$(target)/debug/authorization-servers" exec -- $(CARGO) test --workspace --no-fail-fast)

soak: tools ## Watch tokens of ninety seconds for minutes, while the operator is killed over and over
	@$(call phase,build,$(CARGO) test --workspace --no-run --quiet)
	@$(call phase,soak,"$(target)/debug/control-plane" exec -- $(CARGO) test --test cluster -- --ignored)

image: rust-tools image-tools control-plane-tools ## Build the image from scratch, look at it, and run it (root on Linux)
	@$(call phase,image,.ci/image "$(target)/image/keywright.tar")
	@$(call phase,build,$(CARGO) build --package keywright-node)
	@"$(target)/debug/keywright-node" image "$(target)/image/keywright.tar"

e2e: rust-tools image-tools control-plane-tools ## Install the chart on a node on this machine, with pods that read the Secrets (root on Linux)
	@$(call phase,image,.ci/image "$(target)/image/keywright.tar")
	@$(call phase,build,$(CARGO) build --package keywright-node && $(CARGO) build --release --package keywright-witness --target "$$(uname -m)-unknown-linux-musl")
	@"$(target)/debug/keywright-node" e2e --image "$(target)/image/keywright.tar" --witness "$(target)/$$(uname -m)-unknown-linux-musl/release/witness"

build: rust-tools ## Build all programs
	@$(call phase,build,$(CARGO) build $(as_for_tests) --bins)

lint: lint-tools ## Check formatting and lints
	@$(call phase,formatting,$(CARGO) fmt --all --check)
	@$(call phase,lints,$(CARGO) clippy --workspace --all-targets -- -D warnings)

format: lint-tools ## Format the code
	@$(CARGO) fmt --all

docs: rust-tools ## Build the documentation of the code, with every warning an error
	@$(call phase,documentation,$(document))

crds: rust-tools ## Write crds/, the chart's templates of them, and docs/reference.md anew from the code
	@KEYWRIGHT_WRITE_GENERATED=1 $(CARGO) test --quiet --workspace --test generated > /dev/null
	@KEYWRIGHT_WRITE_GENERATED=1 $(CARGO) test --quiet --package keywright --test docs the_reference_has > /dev/null
	@echo "crds/, charts/keywright/templates/crds/ and docs/reference.md are what \`keywright crd\` prints"

compatibility: rust-tools ## Write docs/compatibility.md anew from what is tried out
	@KEYWRIGHT_WRITE_GENERATED=1 $(CARGO) test --quiet --package keywright --test cluster the_page_is_what_was_tried_out > /dev/null
	@echo "docs/compatibility.md is what the tests of tests/cluster/servers/ try out"

.PHONY: chart
chart: rust-tools ## Write the tables in charts/keywright/README.md and docs/security.md anew
	@KEYWRIGHT_WRITE_GENERATED=1 $(CARGO) test --quiet --package keywright --test chart table > /dev/null
	@echo "the tables are those of charts/keywright/values.yaml and src/rights.rs"

deny: rust-tools ## Check licences, advisories and duplicates of all dependencies (needs cargo-deny)
	@$(CARGO) deny --version > /dev/null 2>&1 || { echo "cargo-deny is missing: cargo install cargo-deny --locked" >&2; exit 1; }
	@$(CARGO) deny --workspace check

tools: rust-tools lint-tools control-plane-tools

rust-tools:
	@command -v "$(CARGO)" > /dev/null || { echo "cargo is missing: install Rust from https://rustup.rs" >&2; exit 1; }

lint-tools: rust-tools
	@$(CARGO) fmt --version > /dev/null 2>&1 || { echo "rustfmt is missing: rustup component add rustfmt" >&2; exit 1; }
	@$(CARGO) clippy --version > /dev/null 2>&1 || { echo "clippy is missing: rustup component add clippy" >&2; exit 1; }

image-tools: rust-tools
	@command -v buildah > /dev/null || { echo "buildah is missing: install it (Debian: apt-get install buildah), or use docker build" >&2; exit 1; }
	@command -v "$$(uname -m)-linux-musl-gcc" > /dev/null || { echo "a C compiler for musl is missing: install it (Debian: apt-get install musl-tools)" >&2; exit 1; }
	@[ -d "$$(rustc --print sysroot)/lib/rustlib/$$(uname -m)-unknown-linux-musl" ] || { echo "Rust's target is missing: rustup target add $$(uname -m)-unknown-linux-musl" >&2; exit 1; }

# Said here rather than after minutes of compiling. What is there is examined closely when it is used.
control-plane-tools:
	@command -v go > /dev/null || [ -n "$$KUBEBUILDER_ASSETS" ] || command -v kube-apiserver > /dev/null \
	  || { [ -n "$$CLUSTER" ] && command -v kubectl > /dev/null; } \
	  || ls "$${XDG_CACHE_HOME:-$$HOME/.cache}"/keywright/control-plane/*/kube-apiserver > /dev/null 2>&1 \
	  || { echo "go is missing: the control plane is built with Go 1.26 or newer (https://go.dev/dl/), once," \
	      "unless KUBEBUILDER_ASSETS or PATH has etcd, kube-apiserver, kube-controller-manager and kubectl" >&2; exit 1; }

# Only that demo needs the mail server.
mailbox-tools:
	@[ -z "$$ONBOARDING" ] || command -v go > /dev/null \
	  || ls "$${XDG_CACHE_HOME:-$$HOME/.cache}"/keywright/mailbox-server/*/keywright-mailbox-server > /dev/null 2>&1 \
	  || { echo "go is missing: the mail server is built with Go 1.26 or newer (https://go.dev/dl/), once" >&2; exit 1; }
