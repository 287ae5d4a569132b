.DEFAULT_GOAL := help
.PHONY: help test race lint fuzz bench tidy ci

help: ## print this
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 8

test: ## the tests of every module; those without their server or tool are skipped
	go test work

race: ## the same under the race detector
	go test -race work

lint: ## gofmt, vet, fix, staticcheck, errcheck
	.ci/run lint

fuzz: ## each fuzz target for FUZZTIME, 30s unless told
	FUZZTIME=$${FUZZTIME:-30s} .ci/run fuzz

bench: ## the benchmarks of every module
	go test -run '^$$' -bench . -benchmem work

tidy: ## go.mod and go.sum of every module, siblings' versions untagged as yet included
	.ci/run retidy

ci: ## everything that a change must pass; nothing is skipped
	.ci/run
