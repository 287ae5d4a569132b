package webhook_test

import (
	"testing"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/matrix"
	"github.com/listhook/webhook/memstore"
)

func TestMisbehavingReceivers(t *testing.T) {
	matrix.Run(t, matrix.Stores{"memstore": func(*testing.T) webhook.Store { return &memstore.Store{} }})
}
