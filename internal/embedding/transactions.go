package embedding

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jmoiron/sqlx"
	"github.com/uptrace/bun"
	"gorm.io/gorm"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/pgxstore"
)

func signUpSQLX(ctx context.Context, db *sqlx.DB, a *app, email string) error {
	tx, err := db.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after the commit it does nothing
	var id int64
	err = tx.GetContext(ctx, &id, `insert into subscribers (email) values ($1) returning id`, email)
	if err != nil {
		return err
	}
	if err := a.emitTx(ctx, tx, subscribed(id, email)); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	a.hooks.Wake() // rather than wait for the next poll
	return nil
}

func signUpGORM(ctx context.Context, db *gorm.DB, a *app, email string) error {
	err := db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		s := Subscriber{Email: email}
		if err := tx.Create(&s).Error; err != nil {
			return err
		}
		return a.emitTx(ctx, tx.Statement.ConnPool, subscribed(s.ID, email))
	})
	a.hooks.Wake()
	return err
}

func signUpEnt(ctx context.Context, db *sql.DB, a *app, email string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	driver := entsql.NewDriver(dialect.Postgres, entsql.Conn{ExecQuerier: tx}) // for ent.NewClient(ent.Driver(driver))
	id, err := createSubscriber(ctx, driver, email)
	if err != nil {
		return err
	}
	if err := a.emitTx(ctx, tx, subscribed(id, email)); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	a.hooks.Wake()
	return nil
}

func signUpBun(ctx context.Context, db *bun.DB, a *app, email string) error {
	err := db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		s := &Subscriber{Email: email}
		if _, err := tx.NewInsert().Model(s).Returning("id").Exec(ctx); err != nil {
			return err
		}
		return a.emitTx(ctx, tx.Tx, subscribed(s.ID, email)) // the *sql.Tx in it
	})
	a.hooks.Wake()
	return err
}

func signUpPgx(ctx context.Context, pool *pgxpool.Pool, store *pgxstore.Store, hooks *webhook.Dispatcher, email string) error {
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		var id int64
		err := tx.QueryRow(ctx, `insert into subscribers (email) values ($1) returning id`, email).Scan(&id)
		if err != nil {
			return err
		}
		err = hooks.EmitTx(ctx, store.Tx(tx), subscribed(id, email))
		var invalid *webhook.InvalidEventsError
		if errors.As(err, &invalid) { // as in emitTx
			slog.Error("webhooks: events were left out", "error", err)
			return nil
		}
		return err
	})
	hooks.Wake()
	return err
}

// Subscriber is a row of the app's, as GORM and bun know it.
type Subscriber struct {
	ID    int64 `bun:",pk,autoincrement"`
	Email string
}

// createSubscriber does what an ent client does on its driver.
func createSubscriber(ctx context.Context, driver *entsql.Driver, email string) (id int64, err error) {
	insert, args := entsql.Dialect(driver.Dialect()).Insert("subscribers").
		Columns("email").Values(email).Returning("id").Query()
	rows := &entsql.Rows{}
	if err := driver.Query(ctx, insert, args, rows); err != nil {
		return 0, err
	}
	defer func() { _ = rows.Close() }()
	return entsql.ScanInt64(rows)
}
