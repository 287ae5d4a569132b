module github.com/listhook/webhook/internal/oracle

go 1.26.0

replace github.com/listhook/webhook => ../..

require (
	code.dny.dev/ssrf v0.3.0
	github.com/listhook/webhook v0.0.0
	github.com/standard-webhooks/standard-webhooks/libraries v0.0.1
	github.com/stretchr/testify v1.12.1
)

require (
	github.com/cenkalti/backoff/v4 v4.3.0 // indirect
	github.com/go-playground/form/v4 v4.2.1 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/net v0.58.0 // indirect
	golang.org/x/text v0.41.0 // indirect
)
