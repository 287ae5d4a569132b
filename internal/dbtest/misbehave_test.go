package dbtest

import (
	"context"
	"testing"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/matrix"
)

// Whatever a receiver does, what is stored says so: on every database, by one
// of its drivers.
func TestMisbehavingReceivers(t *testing.T) {
	stores := matrix.Stores{}
	for _, s := range storages {
		switch s.name {
		case "sqlite by modernc", "postgres by pgxpool", "mariadb":
			t.Run("create "+s.name, func(inner *testing.T) {
				open := s.create(during{inner, t})
				migrated(inner, open("")).close()
				stores[s.name] = func(t *testing.T) webhook.Store {
					h := open("")
					t.Cleanup(h.close)
					return h
				}
			})
		}
	}
	matrix.Run(t, stores)
}

// A during is a test that may be skipped by itself, and leaves what it makes until
// another one ends.
type during struct {
	*testing.T
	outer *testing.T
}

func (d during) Cleanup(f func())         { d.outer.Cleanup(f) }
func (d during) TempDir() string          { return d.outer.TempDir() }
func (d during) Context() context.Context { return d.outer.Context() }
