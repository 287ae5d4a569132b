package promtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/freeport"
	"github.com/listhook/webhook/memstore"
	"github.com/listhook/webhook/otelwebhook"
	"github.com/listhook/webhook/webhooktest"
)

const files = "../../otelwebhook/prometheus"

// need skips a test whose tool is missing, or fails it where the environment
// says that the tool must be there.
func need(t *testing.T, command string) {
	t.Helper()
	if _, err := exec.LookPath(command); err != nil {
		if slices.Contains(strings.Split(os.Getenv("LISTHOOK_REQUIRE"), ","), "prometheus") {
			t.Fatalf("prometheus is required: %v", err)
		}
		t.Skipf("%s is not installed", command)
	}
}

func TestRulesFireWhenTheyShould(t *testing.T) {
	need(t, "promtool")
	for _, args := range [][]string{{"check", "rules", "rules.yml"}, {"test", "rules", "rules_test.yml"}} {
		cmd := exec.CommandContext(t.Context(), "promtool", args...)
		cmd.Dir = files
		out, err := cmd.CombinedOutput()
		assert.NoError(t, err, "%s", out)
	}
}

func TestPrometheusEvaluatesEveryQueryOnARun(t *testing.T) {
	need(t, "prometheus")
	p := startPrometheus(t, startApp(t))

	rules := p.rules(t)
	tested, err := os.ReadFile(filepath.Join(files, "rules_test.yml"))
	require.NoError(t, err)
	var metrics []string
	for _, r := range rules {
		assert.Contains(t, string(tested), "alertname: "+r.Name+"\n", "no test says when it fires")
		metrics = append(metrics, names.FindAllString(r.Query, -1)...)
	}
	for _, name := range metrics {
		p.awaitData(t, name)
	}
	for _, query := range dashboard(t) {
		p.awaitData(t, query)
	}
	p.awaitData(t, `http_client_request_duration_seconds_count{listhook_event_type="unsubscribe",error_type="503",http_response_status_code="503"}`)
	p.awaitData(t, `listhook_attempts_active{listhook_attempt_speed="slow"} > 0`)
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		for _, r := range p.rules(t) {
			assert.Equal(t, "ok", r.Health, "%s: %s", r.Name, r.LastError)
		}
	}, 30*time.Second, 100*time.Millisecond)
}

// names are those of metrics, in a query.
var names = regexp.MustCompile(`\b(listhook|http_client)_[a-z_]+_(total|count|bucket|seconds|pending|due|parked|held|active)\b|\blisthook_(ready|queues)\b`)

// dashboard returns its queries, as Grafana sends them for all jobs.
func dashboard(t *testing.T) (queries []string) {
	text, err := os.ReadFile(filepath.Join(files, "dashboard.json"))
	require.NoError(t, err)
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal(text, &board))
	for _, panel := range board.Panels {
		assert.NotEmpty(t, panel.Targets, panel.Title)
		for _, target := range panel.Targets {
			queries = append(queries, strings.NewReplacer("$__rate_interval", "1m", "$job", ".+").Replace(target.Expr))
		}
	}
	require.NotEmpty(t, queries)
	return queries
}

// startApp returns the address of an app that has receivers which do well,
// fail and hang, and that serves its metrics.
func startApp(t *testing.T) string {
	registry := prometheus.NewRegistry()
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry))
	require.NoError(t, err)
	telemetry, err := otelwebhook.New(&otelwebhook.Options{
		MeterProvider: metric.NewMeterProvider(metric.WithReader(exporter)), QueueInterval: 100 * time.Millisecond,
	})
	require.NoError(t, err)

	receivers := map[string]*webhooktest.Receiver{}
	for account, answer := range map[string]webhooktest.Answer{
		"good": webhooktest.Status(200), "failing": webhooktest.Status(503), "hanging": webhooktest.Hang(),
	} {
		receivers[account] = webhooktest.NewReceiver(t, &webhooktest.Options{Answer: answer})
	}
	d, err := webhook.New(&memstore.Store{}, receivers["good"].Client(), &webhook.Options{Hooks: telemetry.Hooks(webhook.Hooks{})})
	require.NoError(t, err)
	for account, r := range receivers {
		_, err := d.AddWebhook(t.Context(), webhook.Webhook{Account: account, Settings: webhook.Settings{
			URL: r.URL(), Events: webhook.EventTypes(), Sources: webhook.Sources(),
		}})
		require.NoError(t, err)
	}
	require.NoError(t, d.Start())
	stop, err := telemetry.Observe(d)
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			for account := range receivers {
				_ = d.Emit(ctx, webhook.Unsubscribe{
					Meta:       webhook.Meta{Account: account, Source: webhook.SourcePublic},
					Subscriber: webhook.Subscriber{ID: "4711", Email: "ann@example.com"},
				})
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	server := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	t.Cleanup(func() {
		cancel()
		<-done
		assert.NoError(t, stop())
		_ = d.Shutdown(ctx)
		server.Close()
	})
	return server.Listener.Addr().String()
}

// A server is a Prometheus.
type server struct{ base string }

// startPrometheus starts one that scrapes the app, and evaluates the rules.
func startPrometheus(t *testing.T, app string) *server {
	dir := t.TempDir()
	rules, err := filepath.Abs(filepath.Join(files, "rules.yml"))
	require.NoError(t, err)
	config := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `
global: {scrape_interval: 200ms, evaluation_interval: 200ms}
rule_files: [%q]
scrape_configs:
  - job_name: app
    metrics_path: /
    static_configs: [{targets: [%q]}]
`, rules, app), 0o600))
	port, err := freeport.Pick()
	require.NoError(t, err)
	address := net.JoinHostPort("127.0.0.1", port)

	var log bytes.Buffer
	cmd := exec.Command("prometheus", "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--log.level=warn")
	cmd.Stdout, cmd.Stderr = &log, &log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	return &server{base: "http://" + address + "/api/v1/"}
}

// get asks the API, and decodes what it answers.
func (s *server) get(path string, query url.Values, into any) error {
	resp, err := http.Get(s.base + path + "?" + query.Encode())
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: into}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s: %s", query, answer.Error)
	}
	return nil
}

type rule struct{ Name, Query, Health, LastError string }

// rules returns those that the server has loaded.
func (s *server) rules(t require.TestingT) (rules []rule) {
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		var loaded struct{ Groups []struct{ Rules []rule } }
		require.NoError(t, s.get("rules", nil, &loaded))
		require.NotEmpty(t, loaded.Groups)
		rules = loaded.Groups[0].Rules
	}, 30*time.Second, 100*time.Millisecond)
	return rules
}

// awaitData waits until a query has a result that is a number.
func (s *server) awaitData(t *testing.T, query string) {
	t.Helper()
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		var data struct{ Result []struct{ Value [2]any } }
		require.NoError(t, s.get("query", url.Values{"query": {query}}, &data))
		require.NotEmpty(t, data.Result)
		for _, r := range data.Result {
			assert.NotEqual(t, "NaN", r.Value[1])
		}
	}, 30*time.Second, 100*time.Millisecond, query)
}
