package webhook

import (
	"encoding/json"
	"reflect"
	"time"

	"github.com/listhook/webhook/internal/ids"
	"github.com/listhook/webhook/internal/phpform"
)

// A stampedEvent is an event that is stored later than it was emitted, once or, after
// an error, several times. So its ID, its time and its carrier are made beforehand.
type stampedEvent struct {
	Event
	stamp    Meta
	carrier  map[string]string
	size     int // bytes that it takes in memory, about
	taken    time.Time
	refusals int // by the store, while it took others
}

// stampEvent copies a valid event.
func stampEvent(e Event, carrier map[string]string) stampedEvent {
	if v := reflect.ValueOf(e); v.Kind() == reflect.Pointer {
		e = v.Elem().Interface().(Event)
	}
	s := stampedEvent{Event: e, stamp: e.meta(), carrier: carrier, taken: time.Now()}
	if s.stamp.ID == "" {
		s.stamp.ID = ids.NewEvent(now())
	}
	if s.stamp.Time.IsZero() {
		s.stamp.Time = s.taken
	}
	s.size = eventOverhead + len(s.stamp.ID) + len(s.stamp.Account) + len(s.stamp.By)
	for _, list := range s.stamp.Lists {
		s.size += textOverhead + len(list)
	}
	for key, value := range carrier {
		s.size += entryOverhead + len(key) + len(value)
	}
	if l, err := layoutOf(e); err == nil {
		size := l.schema.Measure(e)
		s.size += size.Bytes + size.Entries*entryOverhead
	}
	if c, ok := asCustom(e); ok {
		if tree, _, err := phpform.Tree(c.Data); err == nil {
			s.size += treeSize(tree)
		}
	}
	return s
}

// treeSize returns about how many bytes a value takes in memory that phpform.Tree returned.
func treeSize(value any) (bytes int) {
	switch v := value.(type) {
	case map[string]any:
		for key, item := range v {
			bytes += entryOverhead + len(key) + treeSize(item)
		}
	case []any:
		for _, item := range v {
			bytes += textOverhead + treeSize(item)
		}
	case string:
		bytes = len(v)
	case json.Number:
		bytes = len(v)
	}
	return bytes
}

// What an event takes in memory beside its texts: its struct, a text, and an entry of
// a map.
const (
	eventOverhead = 1 << 10
	textOverhead  = 16
	entryOverhead = 64
)
