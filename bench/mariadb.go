package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/mysqlstore"
)

// prepareMariaDB makes an empty database for a job.
func prepareMariaDB(ctx context.Context, c *config, j *job) (remove func(), err error) {
	source, err := mysql.ParseDSN(c.mariadb)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("listhook_bench_%d_%d", os.Getpid(), databases.Add(1))
	if err := execMariaDB(ctx, c.mariadb, "create database "+name); err != nil {
		return nil, fmt.Errorf("no MariaDB to use: %w", err)
	}
	source.DBName = name
	j.MariaDB = source.FormatDSN()
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		if err := execMariaDB(ctx, c.mariadb, "drop database "+name); err != nil {
			fmt.Fprintln(os.Stderr, "bench: the database", name, "is left:", err)
		}
	}, nil
}

func execMariaDB(ctx context.Context, source, statement string) error {
	db, err := sql.Open("mysql", source)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	_, err = db.ExecContext(ctx, statement)
	return err
}

func openMariaDB(ctx context.Context, j *job) (subject, error) {
	db, err := sql.Open("mysql", j.MariaDB)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(poolSize)
	db.SetMaxIdleConns(poolSize)
	store := mysqlstore.New(db, nil)
	o, err := openMigrated(ctx, j, store, func() { _ = db.Close() })
	if err != nil {
		return nil, err
	}
	_, err = db.ExecContext(ctx, "create table if not exists plain_commit (n bigint) engine = InnoDB")
	if err != nil {
		return nil, err
	}
	_, err = db.ExecContext(ctx, endpointTable+" engine = InnoDB")
	app := sqlApp{db, endpointRow + "(?)", func(tx *sql.Tx) webhook.Outbox { return store.Tx(tx) }}
	return &oursMariaDB{o, app, db}, err
}

// oursMariaDB is this library on MariaDB.
type oursMariaDB struct {
	*ours
	sqlApp
	plain *sql.DB
}

// commit makes one small row durable.
func (o *oursMariaDB) commit(ctx context.Context) error {
	_, err := o.plain.ExecContext(ctx, "insert into plain_commit values (1)")
	return err
}

// server reads the server's process ID from the file that it wrote it to.
func (o *oursMariaDB) server(ctx context.Context) (server, error) {
	var file string
	if err := o.plain.QueryRowContext(ctx, "select @@pid_file").Scan(&file); err != nil {
		return server{}, err
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return server{}, fmt.Errorf("the server is not a process of this machine: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	return server{pid}, err
}

// written returns how much the server has written to InnoDB's log.
func (o *oursMariaDB) written(ctx context.Context) (n int64, err error) {
	var name string
	err = o.plain.QueryRowContext(ctx, "show global status like 'Innodb_os_log_written'").Scan(&name, &n)
	return n, err
}
