# distcache: the commands that are worth having. `make` alone lists them.
GO      ?= go
# The binaries are built without cgo: -user then drops privileges for every thread.
export CGO_ENABLED ?= 0
BIN     := bin
GOBUILD ?= -buildvcs=auto -trimpath
# Where make install puts things, all below DESTDIR.
PREFIX      ?= /usr/local
BINDIR      ?= $(PREFIX)/bin
MANDIR      ?= $(PREFIX)/share/man
UNITDIR     ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
DEFAULTDIR  ?= /etc/default
# For the certificates of TLS.
CERTDIR     ?= /etc/distcache
FUZZTIME ?= 5m
# The packages whose tests need no daemon and no socket.
PURE := ./codec/... ./upstream ./engine/deadline ./engine/buffer ./internal/front ./internal/agent \
	./internal/server ./internal/store ./internal/store/seal ./internal/daemon/options
# The packages that take longest begin first, so that none of them is left alone at the end. They wait more than
# they compute: that is why more of them run at a time (-p) than two processors could.
LONGEST := $(addprefix ./,internal/test/faults/process cmd/dc_client upstream/conn bench/system internal/test/kit cmd/dc_snoop \
	internal/test/faults/restart cmd/dc_test internal/store internal/agent internal/daemon client bench/load cmd/dc_server \
	internal/daemon/service internal/test/faults/network internal/test/chaos)
# The packages that judge times, or have long forms of their tests.
TIMED := ./internal/test/... ./cmd/... ./client/... ./engine/... ./upstream ./internal/agent ./internal/daemon/... ./internal/store
# What takes minutes, or compares times and nothing else.
SLOW := TestU15FrozenServer/2m0s|TestO25StoppedAndContinued|TestO25TracedAndHeld|TestR09ABusyNeighbour|TestR12|LeaveVictims|LeavesVictims|LeavesOthersTheirShare|TestN09SpuriousReadinessCostsLittle
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.DEFAULT_GOAL := help
.PHONY: help build run certs-demo test check test-386 race vet lint fuzz corpus chaos soak faults faults-ci clean \
	bench bench-quick bench-deps bench-report bench-compare bench-gate bench-growth bench-tls bench-redis bench-cache bench-go bench-apache check-c test-apache test-terminators test-page metrics-doc test-redis test-hosts sim \
	install check-units man deb test-packages

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build the tools into bin/
	$(GO) build $(GOBUILD) -o $(BIN)/ ./cmd/...

run: build ## start dc_server and dc_client, send them real operations, stop them
	@scripts/demo.sh $(BIN)

test: ## run all the tests: one to two minutes, the first time half a minute more, also beside other work (make vet is a step of its own)
	GO=$(GO) scripts/test.sh -count=1 -trimpath -vet=off -p=6 -timeout=30m $(LONGEST) ./...

certs-demo: ## make a throw-away CA, and pairs for a server and hosts: DIRECTORY=certs SERVER=localhost HOSTS="host1 host2"
	@scripts/certs-demo.sh $(or $(DIRECTORY),certs) $(or $(SERVER),localhost) $(HOSTS)

check: vet ## go vet, gofmt and the tests of what does no input and output: half a minute
	$(GO) test -count=1 -short $(PURE)

test-386: ## the tests of what does no input and output as 32-bit programs, on a kernel that runs those; EMULATOR="qemu-arm-static" ARCH=arm elsewhere
	GOARCH=386 $(GO) vet ./...
	GOARCH=$(or $(ARCH),386) $(GO) test -count=1 -short $(if $(EMULATOR),-exec $(EMULATOR)) $(PURE)

race: ## run tests and daemons under the race detector, without the faults (needs gcc)
	CGO_ENABLED=1 $(GO) test -race -short $$($(GO) list ./... | grep -v /internal/test/faults/)

vet: ## go vet and gofmt, as checks
	$(GO) vet ./...
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	if [ -n "$$unformatted" ]; then echo "not formatted, run gofmt -w on:" $$unformatted; exit 1; fi

lint: ## staticcheck, go mod tidy as a check, and go vet for 32-bit programs
	$(GO) run $(STATICCHECK) ./...
	$(GO) mod tidy -diff
	GOARCH=386 $(GO) vet ./...

fuzz: ## run each fuzz target for FUZZTIME (default 5m)
	@GO=$(GO) scripts/fuzz.sh $(FUZZTIME)

corpus: ## keep, of the inputs that make fuzz has found, those that run code which no other does
	@GO=$(GO) scripts/corpus.sh

chaos: ## kill, freeze and cut off dc_server under clients that check every answer: DURATION=10m or OPS=number, RATE=, SEED=, TLS=1, STORE=redis or STORE=cluster
	DISTCACHE_FULL=1 CHAOS_DURATION=$(or $(DURATION),10m) CHAOS_OPS=$(OPS) CHAOS_RATE=$(or $(RATE),0) $(if $(SEED),SEED=$(SEED)) \
		$(GO) test -count=1 -timeout 0 -v -run '^TestChaos$(if $(TLS),OverTLS)$(if $(STORE),Over$(if $(filter cluster,$(STORE)),Cluster,Redis))$$' ./internal/test/chaos

test-redis: ## the tests with real Redis servers and clusters, two minutes (needs redis-server)
	@command -v redis-server >/dev/null || echo "test-redis: all is skipped, no redis-server: apt-get install redis-server"
	DISTCACHE_FULL=1 DISTCACHE_TIMES=$(or $(TIMES),log) $(GO) test -count=1 -trimpath -vet=off -timeout 10m ./internal/store/redis ./internal/store/seal
	DISTCACHE_FULL=1 DISTCACHE_TIMES=$(or $(TIMES),log) CHAOS_DURATION=20s $(GO) test -count=1 -trimpath -vet=off -timeout 10m -v \
		-run '^Test(ChaosOverRedis|Store|SealedStore|ClientOverRedis)' ./internal/test/chaos ./cmd/dc_server

test-hosts: ## follow "Scale out" of README on three hosts, and kill each process in turn, two minutes (root, ip, redis-server)
	@[ $$(id -u) = 0 ] || echo "test-hosts: all is skipped, not root: network namespaces need it"
	@command -v ip >/dev/null || echo "test-hosts: all is skipped, no ip: apt-get install iproute2"
	@command -v redis-server >/dev/null || echo "test-hosts: Redis is skipped, no redis-server: apt-get install redis-server"
	DISTCACHE_FULL=1 DISTCACHE_TIMES=$(or $(TIMES),log) $(GO) test -count=1 -trimpath -vet=off -timeout 10m -v -run '^TestScaleOut$$' ./internal/test/faults/network

sim: ## the figures of docs/SCALE.md: a thousand hosts simulated and connected, a million sessions; two minutes
	DISTCACHE_FULL=1 DISTCACHE_TIMES=log $(GO) test -count=1 -trimpath -vet=off -timeout 20m -v -run '^Test(ReconnectStorm|StormOfBeginners|ManyLinks|MillionSessions)$$' ./upstream ./cmd/dc_server

soak: ## use both daemons for long, and hold that they do not grow: DURATION=30m, RATE=, SEED=
	DISTCACHE_FULL=1 SOAK_DURATION=$(or $(DURATION),30m) SOAK_RATE=$(RATE) $(if $(SEED),SEED=$(SEED)) \
		$(GO) test -count=1 -timeout 0 -v -run '^TestSoak$$' ./internal/test/chaos

faults: ## the tests at full size, judging times: a quarter of an hour on a machine that does nothing else: RUN=N07
	DISTCACHE_FULL=1 $(GO) test -count=1 -p 1 -timeout 0 -v -run '$(RUN)' $(TIMED)

faults-ci: ## most of the fault tests at full size, in a quarter of an hour; what is too slow is told and does not fail
	DISTCACHE_FULL=1 DISTCACHE_TIMES=log HISTORIES=200000 $(GO) test -count=1 -trimpath -vet=off -timeout 30m -skip '$(SLOW)' \
		./internal/test/... ./internal/agent ./internal/store ./internal/daemon

check-c: build ## build and test contrib/libdistcache, the C library (needs gcc, pkg-config, libssl-dev)
	$(MAKE) -C contrib/libdistcache check DAEMONS=$(CURDIR)/$(BIN)

test-apache: build ## resume TLS sessions between two Apache httpd (installs them, as root)
	contrib/apache/deps.sh
	DAEMONS=$(CURDIR)/$(BIN) contrib/apache/test.sh

test-terminators: ## resume TLS sessions between two of each terminator of docs/TERMINATORS.md (installs them, as root): RUN=/h2o
	contrib/terminators/deps.sh
	contrib/apache/deps.sh && contrib/apache/module.sh || echo "mod_socache_dc cannot be built, and is not tested"
	DISTCACHE_TERMINATORS=1 $(GO) test -count=1 -timeout 30m -v -run '$(RUN)' ./internal/test/terminators

bench-apache: build ## what kept connections save httpd and dc_client, five minutes: ROUNDS=15 THREADS="1 16" HANDSHAKES=300
	contrib/apache/deps.sh
	DAEMONS=$(CURDIR)/$(BIN) ROUNDS=$(ROUNDS) THREADS="$(THREADS)" HANDSHAKES=$(HANDSHAKES) contrib/apache/bench.sh

test-page: ## look at the status page with a real browser, and keep the pictures in bin/page (needs chromium)
	@command -v chromium >/dev/null || echo "test-page: skipped, no chromium: apt-get install chromium"
	DISTCACHE_PAGE=$(CURDIR)/$(BIN)/page $(GO) test -count=1 -v ./internal/test/page

metrics-doc: ## make docs/METRICS.md anew from the tables of figures
	$(GO) test -count=1 ./internal/test/architecture -run TestMetricsDocument -update

install: build ## install the tools, man pages and systemd units below DESTDIR and PREFIX (/usr/local)
	install -d $(addprefix $(DESTDIR),$(BINDIR) $(MANDIR)/man1 $(MANDIR)/man7 $(UNITDIR) $(SYSUSERSDIR) $(TMPFILESDIR) $(DEFAULTDIR) $(CERTDIR))
	install -m 755 $(BIN)/dc_client $(BIN)/dc_server $(BIN)/dc_snoop $(BIN)/dc_test $(DESTDIR)$(BINDIR)/
	install -m 644 docs/man/*.1 $(DESTDIR)$(MANDIR)/man1/
	install -m 644 docs/man/*.7 $(DESTDIR)$(MANDIR)/man7/
	install -m 644 contrib/systemd/distcache.sysusers $(DESTDIR)$(SYSUSERSDIR)/distcache.conf
	install -m 644 contrib/systemd/distcache.tmpfiles $(DESTDIR)$(TMPFILESDIR)/distcache.conf
	for daemon in client server; do \
		sed 's|=/usr/bin/|=$(BINDIR)/|' contrib/systemd/distcache-$$daemon.service >$(DESTDIR)$(UNITDIR)/distcache-$$daemon.service; \
		install -m 644 contrib/systemd/distcache-$$daemon.socket $(DESTDIR)$(UNITDIR)/; \
		[ -e $(DESTDIR)$(DEFAULTDIR)/distcache-$$daemon ] || \
			install -m 644 contrib/systemd/distcache-$$daemon.default $(DESTDIR)$(DEFAULTDIR)/distcache-$$daemon; \
	done

man: ## write the flags into docs/man and contrib/config, after a change of the usage texts
	UPDATE_MAN=1 $(GO) test -count=1 -run '^Test(Manual|Example)ShowsTheFlags$$' ./cmd/...

check-units: ## check the systemd units and how well they are confined (needs systemd-analyze)
	contrib/systemd/check.sh

deb: ## build the Debian packages into bin/deb (needs debhelper)
	GO=$(GO) contrib/debian/build.sh $(BIN)/deb

test-packages: deb ## install, use, upgrade and remove the packages in a Debian with systemd (root; needs mmdebstrap, systemd-container)
	contrib/debian/test.sh $(BIN)/deb $(BIN)/packages

bench-deps: ## install what make bench compares with: twemproxy, memcached, redis, openssl
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends nutcracker memcached redis-server openssl

bench: ## measure against the peers, about a quarter of an hour; then make the report
	$(GO) run ./bench/system
	$(GO) run ./bench/report

bench-quick: ## the same in under three minutes, with fewer cells and rounds, to bin/quick/report.md
	$(GO) run ./bench/system -quick -o $(BIN)/quick.json
	$(GO) run ./bench/report -results $(BIN)/quick.json -out $(BIN)/quick -readme ""

bench-report: ## make bench/report.md, the plots and README's table anew from bench/results
	$(GO) run ./bench/report

bench-compare: ## compare dc_client and dc_server of two revisions: OLD=rev [NEW=rev] [FLAGS="-rounds 3"]
	bench/compare.sh "$(OLD)" "$(NEW)" $(FLAGS)

bench-gate: ## fail when a cell takes over 5 % more CPU time than the last release (newest tag v*), in 30 rounds, eight minutes: BASE=rev FLAGS="-calm 0.2"
	BASE="$(BASE)" bench/gate.sh $(FLAGS)

bench-growth: ## what dc_client costs with 1 to 19,000 clients and more and more operations, ten minutes; then bench/growth.md: FLAGS="-rounds 3"
	$(GO) run ./bench/system -only growth $(FLAGS)
	$(GO) run ./bench/report -growth

bench-tls: ## compare dc_client and dc_server over TLS with the same over TCP, six minutes: FLAGS="-rounds 3 -calm 0.1"
	$(GO) run ./bench/system -tls -o $(BIN)/tls.json $(FLAGS)

bench-redis: build ## CPU time and latency of dc_server before a Redis, sealed and not: ROUNDS=5 (needs redis-server, an idle machine)
	bench/redis.sh $(or $(ROUNDS),5)

bench-cache: build ## what dc_client -cache saves over a link of 10 ms and 100 Mbit/s (needs root, iproute2, python3)
	bench/cache.sh

bench-go: ## Go benchmarks, for benchstat: COUNT=10 times each
	$(GO) test -run '^$$' -bench . -count $(or $(COUNT),1) ./codec ./upstream ./engine ./internal/...

clean: ## remove what was built
	rm -rf $(BIN)
