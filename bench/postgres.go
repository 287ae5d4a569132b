package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// poolSize is how many connections each subject may open to its server.
const poolSize = 32

var databases atomic.Int64 // made by this process

// preparePostgres makes an empty database for a job.
func preparePostgres(ctx context.Context, c *config, j *job) (remove func(), err error) {
	u, err := url.Parse(c.postgres)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("listhook_bench_%d_%d", os.Getpid(), databases.Add(1))
	if err := execPostgres(ctx, c.postgres, "create database "+name); err != nil {
		return nil, fmt.Errorf("no PostgreSQL to use: %w", err)
	}
	u.Path = "/" + name
	j.Postgres = u.String()
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		if err := execPostgres(ctx, c.postgres, "drop database "+name+" with (force)"); err != nil {
			fmt.Fprintln(os.Stderr, "bench: the database", name, "is left:", err)
		}
	}, nil
}

func execPostgres(ctx context.Context, dsn, statement string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	_, err = conn.Exec(ctx, statement)
	return err
}

// A pool is a subject's connections to its PostgreSQL database.
type pool struct{ *pgxpool.Pool }

// openPool connects, with parameters of the server's by name and value.
func openPool(ctx context.Context, j *job, parameters ...string) (pool, error) {
	c, err := pgxpool.ParseConfig(j.Postgres)
	if err != nil {
		return pool{}, err
	}
	c.MaxConns = poolSize
	for i := 0; i < len(parameters); i += 2 {
		c.ConnConfig.RuntimeParams[parameters[i]] = parameters[i+1]
	}
	p, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return pool{}, err
	}
	_, err = p.Exec(ctx, "create table if not exists plain_commit (n bigint); "+endpointTable)
	return pool{p}, err
}

// commit makes one small row durable.
func (p pool) commit(ctx context.Context) error {
	_, err := p.Exec(ctx, "insert into plain_commit values (1)")
	return err
}

// server finds the process that all backends are children of.
func (p pool) server(ctx context.Context) (server, error) {
	var pid int
	if err := p.QueryRow(ctx, "select pg_backend_pid()").Scan(&pid); err != nil {
		return server{}, err
	}
	backend, err := readStat(pid)
	return server{backend.parent}, err
}

// written returns how far the server's write-ahead log is.
func (p pool) written(ctx context.Context) (n int64, err error) {
	err = p.QueryRow(ctx, "select cast(pg_current_wal_insert_lsn() - '0/0' as bigint)").Scan(&n)
	return n, err
}
