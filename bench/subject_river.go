package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// riverQueue is River with a worker that posts, tuned: a thousand workers, and
// fetches as often as it allows.
type riverQueue struct {
	*job
	pool
	poster poster
	client *river.Client[pgx.Tx]
}

func openRiver(ctx context.Context, j *job) (subject, error) {
	p, err := openPool(ctx, j)
	if err != nil {
		return nil, err
	}
	migrator, err := rivermigrate.New(riverpgxv5.New(p.Pool), &rivermigrate.Config{Logger: quietLogger()})
	if err != nil {
		return nil, err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return nil, err
	}
	r := &riverQueue{job: j, pool: p, poster: newPoster()}
	return r, r.renew()
}

func quietLogger() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
}

// renew makes a client, since one that was stopped stays so.
func (r *riverQueue) renew() error {
	workers := river.NewWorkers()
	river.AddWorker(workers, &riverPoster{poster: r.poster})
	client, err := river.NewClient(riverpgxv5.New(r.Pool), &river.Config{
		Logger:            quietLogger(),
		Workers:           workers,
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 1000}},
		FetchCooldown:     time.Millisecond,
		FetchPollInterval: 50 * time.Millisecond,
	})
	r.client = client
	return err
}

// posting is a job of River's.
type posting struct {
	URL  string `json:"url"`
	Body string `json:"body"`
}

// Kind implements river.JobArgs.
func (posting) Kind() string { return "post" }

type riverPoster struct {
	river.WorkerDefaults[posting]
	poster poster
}

// Work implements river.Worker.
func (p *riverPoster) Work(ctx context.Context, job *river.Job[posting]) error {
	return p.poster.post(ctx, job.Args.URL, []byte(job.Args.Body))
}

func (r *riverQueue) emit(ctx context.Context, e event) error {
	_, err := r.client.Insert(ctx, posting{r.url(r.target(e.target)), string(e.body())}, nil)
	return err
}

func (r *riverQueue) start(ctx context.Context) error {
	return r.client.Start(context.WithoutCancel(ctx))
}

func (r *riverQueue) stop(ctx context.Context) error {
	if err := r.client.Stop(ctx); err != nil {
		return err
	}
	return r.renew()
}

func (r *riverQueue) close() {} // its jobs may hang: the process ends them
