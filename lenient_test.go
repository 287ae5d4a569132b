package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// withoutSource returns events of which those with an index in bad have no source.
func withoutSource(n int, bad ...int) []webhook.Event {
	events := make([]webhook.Event, n)
	for i := range events {
		e := open(fmt.Sprint(i))
		for _, b := range bad {
			if i == b {
				e.Source = ""
			}
		}
		events[i] = e
	}
	return events
}

// Each way to emit, as one function.
func waysToEmit(d *webhook.Dispatcher, store webhook.Store) map[string]func(context.Context, ...webhook.Event) error {
	return map[string]func(context.Context, ...webhook.Event) error{
		"Emit":         d.Emit,
		"EmitBuffered": d.EmitBuffered,
		"EmitTx": func(ctx context.Context, events ...webhook.Event) error {
			return d.EmitTx(ctx, store, events...)
		},
	}
}

func TestAnErrorNamesEveryInvalidEvent(t *testing.T) {
	for _, skip := range []bool{false, true} {
		for way := range waysToEmit(nil, nil) {
			t.Run(fmt.Sprintf("%s, skip %v", way, skip), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					r := newHarness(t, &webhook.Options{SkipInvalid: skip})
					r.put(nil)
					emit := waysToEmit(r.Dispatcher, r.store)[way]
					err := emit(r.ctx, withoutSource(10, 3, 7)...)
					var invalid *webhook.InvalidEventsError
					require.ErrorAs(t, err, &invalid)
					assert.Equal(t, 10, invalid.Events)
					require.Len(t, invalid.Invalid, 2)
					assert.Equal(t, []int{3, 7}, []int{invalid.Invalid[0].Index, invalid.Invalid[1].Index})
					assert.Equal(t, `webhook: events[3].Source is "", not one of public, admin, api and system; `+
						`events[7].Source is "", not one of public, admin, api and system`, err.Error())
					var first *webhook.InvalidError
					require.ErrorAs(t, err, &first)
					assert.Equal(t, "Source", first.Field)
					time.Sleep(time.Second) // of the buffer

					var stored []string
					for _, d := range r.log() {
						stored = append(stored, d.EventID)
					}
					if skip {
						assert.ElementsMatch(t, []string{"0", "1", "2", "4", "5", "6", "8", "9"}, stored)
					} else {
						assert.Empty(t, stored)
					}

					err = emit(r.ctx, withoutSource(1, 0)...)
					require.ErrorAs(t, err, &invalid, "also of a single event")
					assert.Equal(t, `webhook: Source is "", not one of public, admin, api and system`, err.Error())
				})
			})
		}
	}
}

func TestAnErrorOfManyInvalidEventsIsShort(t *testing.T) {
	r := newHarness(t, nil)
	err := r.Emit(r.ctx, make([]webhook.Event, 5000)...)
	var invalid *webhook.InvalidEventsError
	require.ErrorAs(t, err, &invalid)
	assert.Len(t, invalid.Invalid, 5000)
	assert.True(t, strings.HasSuffix(err.Error(), "events[4].Event is nil; and 4995 more"), err.Error())
}

func TestSkippingDoesNotHideAnErrorOfTheStore(t *testing.T) {
	r, store := newFaultyHarness(t, &webhook.Options{SkipInvalid: true})
	r.put(nil)
	store.fault(func(s *faultyStore) { s.enqueue = func([]webhook.Delivery) error { return errDown } })
	err := r.Emit(r.ctx, withoutSource(3, 1)...)
	assert.ErrorIs(t, err, errDown)
	assert.False(t, errors.As(err, new(*webhook.InvalidEventsError)), "the caller has to emit again")
}

func TestValidateSaysWhatEmitWould(t *testing.T) {
	r := newHarness(t, nil)
	assert.NoError(t, r.Validate())
	assert.NoError(t, r.Validate(withoutSource(3)...))
	events := withoutSource(3, 1)
	assert.Equal(t, r.Emit(r.ctx, events...), r.Validate(events...))

	small := r.another(&webhook.Options{BodyLimit: 100})
	assert.Error(t, small.Validate(open("1")), "it knows the options")
}

func TestFieldsThatCannotBeSentAreOmitted(t *testing.T) {
	fields := func(n, size, grows int) map[string]string {
		m := map[string]string{}
		for i := range n {
			m[fmt.Sprintf("%04d", i)] = strings.Repeat("x", size+i*grows)
		}
		return m
	}
	bad := map[string]string{"b]": "1", "": "2", "ok": "3"}
	tooLong := fields(300, 1000, 1)
	for name, c := range map[string]struct {
		fields  map[string]string
		omitted int
		first   webhook.Omission
		kept    string
	}{
		"keys":     {bad, 2, webhook.Omission{Field: "", Reason: "has a key that PHP would misread"}, "ok"},
		"too many": {fields(2000, 1, 0), 1025, webhook.Omission{Field: "0975", Reason: "is beyond the 975 fields that PHP reads"}, "0000"},
		"too long": {tooLong, 0, webhook.Omission{}, "0000"},
	} {
		t.Run(name, func(t *testing.T) {
			var told []webhook.Omission
			r := newHarness(t, &webhook.Options{OmitFields: true, Hooks: webhook.Hooks{
				Omitted: func(_ webhook.Event, omitted []webhook.Omission) { told = append(told, omitted...) },
			}})
			r.put(nil)
			e := open("e")
			e.Subscriber.Fields = c.fields
			before := len(c.fields)
			assert.NoError(t, r.Validate(open("d"), e))
			assert.Empty(t, told, "nothing was emitted yet")
			r.emit(open("d"), e, open("f"))
			assert.Len(t, c.fields, before, "the caller's map is not changed")
			assert.Len(t, r.log(), 3)
			require.NotEmpty(t, told)
			if c.omitted > 0 {
				assert.Equal(t, c.omitted, len(told))
				assert.Equal(t, c.first, told[0])
			} else {
				assert.Less(t, len(told), 200, "no more than need be")
				assert.Equal(t, "0299", told[len(told)-1].Field, "the longest")
				assert.Equal(t, "makes a body of more than 262144 bytes", told[0].Reason)
			}
			for _, d := range r.log() {
				if d.EventID == "e" {
					assert.Contains(t, string(d.Body), "subscriber%5Bfields%5D%5B"+c.kept+"%5D")
				}
			}

			assert.Error(t, r.another(nil).Emit(r.ctx, e), "without the option the event is refused")
		})
	}
}

func TestNothingIsOmittedFromEventsThatAreRefused(t *testing.T) {
	for way := range waysToEmit(nil, nil) {
		for _, skip := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, skip %v", way, skip), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					var told []string
					r := newHarness(t, &webhook.Options{OmitFields: true, SkipInvalid: skip, Hooks: webhook.Hooks{
						Omitted: func(e webhook.Event, omitted []webhook.Omission) {
							assert.NotContains(t, e.(webhook.Open).Subscriber.Fields, "]")
							told = append(told, fmt.Sprint(webhook.MetaOf(e).ID, omitted))
						},
					}})
					r.put(nil)
					first, last := open("first"), open("last")
					first.Subscriber.Fields = map[string]string{"]": "x", "ok": "y"}
					last.Subscriber.Fields = map[string]string{"]": "x"}
					emit := waysToEmit(r.Dispatcher, r.store)[way]
					require.Error(t, emit(r.ctx, first, withoutSource(1, 0)[0], last))
					time.Sleep(time.Second) // of the buffer
					if skip {
						assert.Equal(t, []string{"first[{] has a key that PHP would misread}]", "last[{] has a key that PHP would misread}]"}, told)
						assert.Len(t, r.log(), 2)
					} else {
						assert.Empty(t, told)
						assert.Empty(t, r.log())
					}
				})
			})
		}
	}
}

func TestExplainOmitsFieldsAsEmitDoes(t *testing.T) {
	r := newHarness(t, &webhook.Options{OmitFields: true})
	r.put(nil)
	e := open("e")
	e.Subscriber.Fields = map[string]string{"]": "x"}
	explained, err := r.Explain(r.ctx, e)
	require.NoError(t, err)
	require.Len(t, explained, 1)
	assert.True(t, explained[0].Matches)

	e.Source = ""
	_, err = r.Explain(r.ctx, e)
	assert.ErrorAs(t, err, new(*webhook.InvalidError))
	e.Source = webhook.SourceAdmin
	_, err = r.another(nil).Explain(r.ctx, e)
	assert.ErrorAs(t, err, new(*webhook.InvalidError), "without the option")
}

func TestWhatIsNoFieldIsNotOmitted(t *testing.T) {
	r := newHarness(t, &webhook.Options{OmitFields: true})
	e := open("e")
	e.Source = ""
	assert.Error(t, r.Emit(r.ctx, e))
	e = open("e")
	e.Campaign.Name = strings.Repeat("x", 300<<10)
	e.Subscriber.Fields["]"] = "x"
	assert.Error(t, r.Emit(r.ctx, e), "the body is too long without the fields")
	assert.Error(t, r.Emit(r.ctx, webhook.Sent{}), "there is no subscriber")
	assert.Error(t, r.Emit(r.ctx, nil))

	r = newHarness(t, &webhook.Options{OmitFields: true, Catalogue: []webhook.EventInfo{
		{Type: webhook.TypeOpen, Sources: []webhook.Source{webhook.SourcePublic}},
	}})
	e = open("e")
	e.Source = webhook.SourceSystem
	without := e
	without.Subscriber.Fields = nil
	sent := webhook.Sent{Meta: without.Meta, Campaign: without.Campaign}
	for _, e := range []webhook.Event{e, without, sent} {
		var invalid *webhook.InvalidEventsError
		assert.ErrorAs(t, r.Emit(r.ctx, e), &invalid, "the catalogue does not allow it")
		assert.ErrorAs(t, r.Validate(e), &invalid)
		assert.ErrorAs(t, r.EmitBuffered(r.ctx, e), &invalid)
	}
}

// An import of 5,000 rows of which one is bad costs little more than one of which none
// is.
func BenchmarkEmitImport(b *testing.B) {
	for name, bad := range map[string][]int{"good": nil, "one bad": {2500}} {
		b.Run(name, func(b *testing.B) {
			events := withoutSource(5000, bad...)
			for i := 0; b.Loop(); i++ {
				b.StopTimer()
				d, err := webhook.New(memstore.New(), nil, &webhook.Options{SkipInvalid: true})
				require.NoError(b, err)
				w := everything()
				_, err = d.AddWebhook(b.Context(), w)
				require.NoError(b, err)
				b.StartTimer()
				if err := d.Emit(b.Context(), events...); err != nil && len(bad) == 0 {
					b.Fatal(err)
				}
			}
		})
	}
}
