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

fuzz: ## each fuzz target for FUZZTIME, 30s unless told
	FUZZTIME=$${FUZZTIME:-30s} .ci/run fuzz

long: ## hundreds of kills on each store and node, and minutes of faults; nothing is skipped
	LISTHOOK_REQUIRE=$${LISTHOOK_REQUIRE:-postgres,mariadb} \
	LISTHOOK_ROUNDS=$${LISTHOOK_ROUNDS:-300} LISTHOOK_SOAK=$${LISTHOOK_SOAK:-2m} \
		go test -count=1 -timeout=3h -v ./internal/dbtest/crash
	LISTHOOK_REQUIRE=$${LISTHOOK_REQUIRE:-postgres,mariadb,galera,npm} LISTHOOK_NODES=$${LISTHOOK_NODES:-5m} \
		go test -count=1 -timeout=3h -v -run 'TestNodes' ./internal/dbtest
	LISTHOOK_REQUIRE=$${LISTHOOK_REQUIRE:-postgres,mariadb} LISTHOOK_ROUNDS=$${LISTHOOK_ROUNDS:-300} \
		go test -count=1 -timeout=3h -v -run UnderLoad ./internal/dbtest

bench: ## the library beside a plain HTTP loop, some minutes; docs/performance.md has more
	go run ./bench -quick

tidy: ## go.mod and go.sum of every module, siblings' versions untagged as yet included
	.ci/run retidy

ci: ## everything that a change must pass; nothing is skipped
	.ci/run
