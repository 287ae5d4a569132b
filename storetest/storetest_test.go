package storetest_test

import (
	"testing"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
	"github.com/listhook/webhook/storetest"
)

func TestMemstoreKeepsEveryRule(t *testing.T) {
	storetest.Suite{
		Open:   func(*testing.T) webhook.Store { return new(memstore.Store) },
		Second: func(_ *testing.T, s webhook.Store) webhook.Store { return s },
	}.Run(t)
}
