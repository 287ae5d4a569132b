.DEFAULT_GOAL := help
.PHONY: help test race lint fuzz long bench tidy ci

help: ## print this
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 8

test: ## the tests of every module; those without their server or tool are skipped
	go test -timeout 1h work

race: ## the same under the race detector
	go test -race -timeout 1h work

lint: ## gofmt, vet, fix, staticcheck, errcheck
	.ci/run lint

fuzz: ## each fuzz target with FUZZTIME inputs, 30000x unless told
	FUZZTIME=$${FUZZTIME:-30000x} .ci/run fuzz

long: ## hundreds of kills on each store and node, minutes of faults, the page in every language, stores broken on purpose; nothing is skipped
	LISTHOOK_REQUIRE=$${LISTHOOK_REQUIRE:-postgres,mariadb} \
	LISTHOOK_ROUNDS=$${LISTHOOK_ROUNDS:-300} LISTHOOK_SOAK=$${LISTHOOK_SOAK:-2m} \
		go test -count=1 -timeout=3h -v ./internal/dbtest/crash
	LISTHOOK_REQUIRE=$${LISTHOOK_REQUIRE:-redis} LISTHOOK_ROUNDS=$${LISTHOOK_ROUNDS:-300} \
		go test -count=1 -timeout=3h -v -run Kill9 ./examples/redisstore
	LISTHOOK_REQUIRE=$${LISTHOOK_REQUIRE:-postgres,mariadb,galera,npm} LISTHOOK_NODES=$${LISTHOOK_NODES:-5m} \
		go test -count=1 -timeout=3h -v -run 'TestNodes' ./internal/dbtest
	LISTHOOK_REQUIRE=$${LISTHOOK_REQUIRE:-postgres,mariadb} LISTHOOK_ROUNDS=$${LISTHOOK_ROUNDS:-300} LISTHOOK_LONG=1 \
		go test -count=1 -timeout=3h -v -run UnderLoad ./internal/dbtest
	LISTHOOK_REQUIRE=$${LISTHOOK_REQUIRE:-postgres,mariadb,pgbouncer,galera} LISTHOOK_BLOCKED=$${LISTHOOK_BLOCKED:-100000} LISTHOOK_LONG=1 \
	LISTHOOK_PAGES=$${LISTHOOK_PAGES:-1000000} \
		go test -count=1 -timeout=3h -v ./internal/dbtest
	LISTHOOK_REQUIRE=$${LISTHOOK_REQUIRE:-npm,chromium} LISTHOOK_CRAWL=$${LISTHOOK_CRAWL:-all} \
		go test -count=1 -timeout=6h -v -run TestEveryLinkAndFormInABrowser ./internal/clienttest
	LISTHOOK_REQUIRE=$${LISTHOOK_REQUIRE:-postgres,mariadb,redis} LISTHOOK_MUTANTS=$${LISTHOOK_MUTANTS:-all} \
		go test -count=1 -timeout=6h -v -run TestMutants ./internal/mutate

bench: ## the library beside a plain HTTP loop, some minutes; docs/performance.md has more
	go run ./bench -quick

tidy: ## go.mod and go.sum of every module, siblings' versions untagged as yet included
	.ci/run retidy

ci: ## everything that a change must pass; nothing is skipped
	.ci/run
