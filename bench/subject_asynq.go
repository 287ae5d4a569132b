package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// asynqQueue is asynq with a handler that posts, looking for tasks more often
// than once a second, which is its default. The configuration of the Redis server
// decides how durable it is.
type asynqQueue struct {
	*job
	redis  *redis.Client
	client *asynq.Client
	worker *asynq.Server
	poster poster
}

// prepareRedis makes sure that the database that a job will fill is empty, and
// empties it afterwards.
func prepareRedis(ctx context.Context, c *config, j *job) (remove func(), err error) {
	r := redis.NewClient(&redis.Options{Addr: c.redis, DB: redisDB})
	n, err := r.DBSize(ctx).Result()
	if err == nil && n > 0 {
		err = fmt.Errorf("its database %d holds %d keys that are not ours", redisDB, n)
	}
	if err != nil {
		_ = r.Close()
		return nil, fmt.Errorf("no Redis to use: %w", err)
	}
	return func() {
		defer func() { _ = r.Close() }()
		if err := r.FlushDB(context.WithoutCancel(ctx)).Err(); err != nil {
			fmt.Fprintln(os.Stderr, "bench: Redis's database", redisDB, "is left:", err)
		}
	}, nil
}

func openAsynq(_ context.Context, j *job) (subject, error) {
	o := asynq.RedisClientOpt{Addr: j.Redis, DB: redisDB}
	return &asynqQueue{
		job: j, redis: redis.NewClient(&redis.Options{Addr: j.Redis, DB: redisDB}), client: asynq.NewClient(o), poster: newPoster(),
	}, nil
}

func (a *asynqQueue) emit(ctx context.Context, e event) error {
	payload, err := json.Marshal(posting{a.url(a.target(e.target)), string(e.body())})
	if err != nil {
		return err
	}
	_, err = a.client.EnqueueContext(ctx, asynq.NewTask("post", payload), asynq.Timeout(15*time.Second))
	return err
}

func (a *asynqQueue) start(context.Context) error {
	a.worker = asynq.NewServer(asynq.RedisClientOpt{Addr: a.Redis, DB: redisDB}, asynq.Config{
		Concurrency: 256, TaskCheckInterval: 5 * time.Millisecond, LogLevel: asynq.ErrorLevel,
	})
	return a.worker.Start(asynq.HandlerFunc(func(ctx context.Context, t *asynq.Task) error {
		var p posting
		if err := json.Unmarshal(t.Payload(), &p); err != nil {
			return err
		}
		return a.poster.post(ctx, p.URL, []byte(p.Body))
	}))
}

func (a *asynqQueue) stop(context.Context) error {
	a.worker.Shutdown()
	return nil
}

func (a *asynqQueue) close() {} // its tasks may hang: the process ends them

// server asks Redis for its process.
func (a *asynqQueue) server(ctx context.Context) (server, error) {
	info, err := a.redis.Info(ctx, "server").Result()
	if err != nil {
		return server{}, err
	}
	_, rest, _ := strings.Cut(info, "process_id:")
	pid, err := strconv.Atoi(strings.Fields(rest + " 0")[0])
	return server{pid}, err
}
