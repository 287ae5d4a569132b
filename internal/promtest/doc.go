// Package promtest has a real Prometheus evaluate the rules and the dashboard of
// otelwebhook on the data of a run.
package promtest
