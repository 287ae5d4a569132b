package dbtest

import (
	"testing"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/matrix"
)

// Whatever a receiver does, what is stored says so: on every database, by one
// of its drivers.
func TestMisbehavingReceivers(t *testing.T) {
	for _, s := range storages {
		switch s.name {
		case "sqlite by modernc", "postgres by pgxpool", "mariadb":
			t.Run(s.name, func(t *testing.T) {
				matrix.Run(t, func(t *testing.T) webhook.Store { return migrated(t, s.create(t)("")) })
			})
		}
	}
}
