# distcache: the commands that are worth having. `make` alone lists them.
GO      ?= go
# The binaries are built without cgo: -user then drops privileges for every thread.
export CGO_ENABLED ?= 0
BIN     := bin
FUZZTIME ?= 5m
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.DEFAULT_GOAL := help
.PHONY: help build run test race vet lint fuzz clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build the tools into bin/
	$(GO) build -buildvcs=auto -trimpath -o $(BIN)/ ./cmd/...

run: build ## start dc_server and dc_client, send them real operations, stop them
	@bench/demo.sh $(BIN)

test: ## run all the tests
	$(GO) test ./...

race: ## run all the tests under the race detector (needs gcc)
	CGO_ENABLED=1 $(GO) test -race -short ./...

vet: ## go vet, gofmt and go mod tidy, as checks
	$(GO) vet ./...
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	if [ -n "$$unformatted" ]; then echo "not formatted, run gofmt -w on:" $$unformatted; exit 1; fi
	$(GO) mod tidy -diff

lint: ## staticcheck
	$(GO) run $(STATICCHECK) ./...

fuzz: ## run each fuzz target for FUZZTIME (default 5m)
	@GO=$(GO) bench/fuzz.sh $(FUZZTIME)

clean: ## remove what was built
	rm -rf $(BIN)
