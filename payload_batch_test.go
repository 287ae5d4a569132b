package webhook

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// randomBatch returns deliveries of random events in a format, and the events.
func randomBatch(t *testing.T, r *rand.Rand, n int, f Format) (ds []*Delivery, events []Event) {
	t.Helper()
	for i := range n {
		e := randomEvent(r, EventTypes()[r.IntN(9)])
		m := e.meta()
		d := &Delivery{ID: fmt.Sprintf("msg_%d", i), Type: e.Type(), Created: storeTime(m.Time), Time: storeTime(m.Time)}
		if r.IntN(2) == 0 {
			d.Sequence = r.Int64()
		}
		body, err := encode(e, m, f)
		require.NoError(t, err)
		d.Body = withID(body, d.ID)
		ds, events = append(ds, d), append(events, e)
	}
	return ds, events
}

// A receiver reads of a batch what it would read of the same events one by one.
func TestABatchBringsTheEventsThatItsDeliveriesWouldBringAlone(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	secret := NewSecret()
	opts := &ReceiveOptions{Secrets: []Secret{secret}}
	parse := func(d *Delivery, h http.Header) ([]Event, error) {
		req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(string(d.Body)))
		req.Header = signedHeader(t, d.ID, d.Body, secret)
		req.Header.Set("Content-Type", d.ContentType())
		for name := range h {
			req.Header.Set(name, h.Get(name))
		}
		return ParseRequest(req, opts)
	}
	for range 60 {
		for _, f := range Formats() {
			ds, _ := randomBatch(t, r, 1+r.IntN(12), f)
			request := batchRequest(ds)
			got, err := parse(&request, nil)
			require.NoError(t, err, "seed %d: %s", seed, request.Body)
			require.Len(t, got, len(ds))
			size := batchSize{}
			for i, d := range ds {
				size = size.plus(sizeInBatch(d))
				h := http.Header{}
				h.Set(HeaderEventTime, fmt.Sprint(d.eventTime().UnixMilli()))
				if d.Sequence > 0 {
					h.Set(HeaderSequence, fmt.Sprint(d.Sequence))
				}
				alone, err := parse(d, h)
				require.NoError(t, err)
				require.Equal(t, alone[0], got[i], "seed %d", seed)
			}
			assert.GreaterOrEqual(t, size.bytes+len("[]"), len(request.Body))
			if f != FormatJSON {
				assert.GreaterOrEqual(t, size.variables, strings.Count(string(request.Body), "&")+1)
			}
		}
	}
}

func TestPHPReadsABatchAsAListOfEvents(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	var bodies, alone [][]byte
	var counts []int
	var ids []string
	for range 60 {
		for _, f := range []Format{Format2013, FormatCurrent} {
			ds, _ := randomBatch(t, r, 1+r.IntN(9), f)
			size := batchSize{}
			for i, d := range ds {
				if size = size.plus(sizeInBatch(d)); !size.fits() {
					ds = ds[:i]
					break
				}
			}
			if len(ds) == 0 {
				continue
			}
			bodies, counts = append(bodies, batchBody(ds)), append(counts, len(ds))
			for _, d := range ds {
				alone, ids = append(alone, d.Body), append(ids, d.ID)
			}
		}
	}
	lists, singles := phpPost(t, bodies), phpPost(t, alone)
	for i, got := range lists {
		want := map[string]string{}
		for n := range counts[i] {
			for path, text := range singles[0] {
				want[pathOf("events", fmt.Sprint(n))+path] = text
			}
			want[pathOf("events", fmt.Sprint(n), "id")] = ids[0]
			singles, ids = singles[1:], ids[1:]
			delete(got, pathOf("events", fmt.Sprint(n), "sequence"))
			assert.NotEmpty(t, got[pathOf("events", fmt.Sprint(n), "event_time")])
			delete(got, pathOf("events", fmt.Sprint(n), "event_time"))
		}
		require.Equal(t, want, got, "body %d of seed %d: %q", i, seed, bodies[i])
	}
}

// PHP keeps every variable of a batch that is as large as it may be, and would drop
// one more.
func TestPHPReadsTheLargestBatch(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var ds []*Delivery
	for size := (batchSize{}); ; {
		more, _ := randomBatch(t, r, 1, FormatCurrent)
		more[0].Sequence = 7
		if sum := size.plus(sizeInBatch(more[0])); sum.fits() {
			size, ds = sum, append(ds, more[0])
			continue
		}
		d := &Delivery{ID: "last", Sequence: 1, Body: []byte("type=open")}
		for (size.plus(sizeInBatch(d))).variables < maxVariables {
			d.Body = append(d.Body, "&a%5B%5D="...)
		}
		ds = append(ds, d)
		break
	}
	body := batchBody(ds)
	assert.Equal(t, maxVariables, strings.Count(string(body), "&")+1)
	posts := phpPost(t, [][]byte{body, append(body[:len(body):len(body)], "&one=more"...)})
	assert.Len(t, posts[0], maxVariables)
	assert.NotContains(t, posts[1], pathOf("one"))
}

func TestABatchThatIsNoneIsInvalid(t *testing.T) {
	for body, field := range map[string]string{
		`[]`:                                 "Body",
		`[1]`:                                "Events[0].Body",
		`[{"type":"open"},{"type":"No"}]`:    "Events[1].Type",
		`[{"type":"open"}`:                   "Body",
		`[{"type":"open","contact":[]}]`:     "Events[0].Body.contact",
		"events[0][type]=open&events[1][x]=": "Events[1].Type",
		"events[3][type]=sent&events[3][campaign][recipients]=many": "Events[0].Campaign.Recipients",
	} {
		r := request(t, body)
		if strings.HasPrefix(body, "[") {
			r.Header.Set("Content-Type", "application/json")
		}
		events, err := ParseRequest(r, &ReceiveOptions{Unsigned: true})
		assert.Nil(t, events, body)
		var bad *InvalidError
		if assert.ErrorAs(t, err, &bad, body) {
			assert.Equal(t, field, bad.Field, body)
		}
	}
}

func TestTheIDOfARequestRepeatsOnlyIfItsDeliveriesDo(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	ds, _ := randomBatch(t, r, 3, FormatJSON)
	id := batchRequest(ds).ID
	assert.Equal(t, id, batchRequest([]*Delivery{ds[2], ds[0], ds[1]}).ID, "in another order")
	assert.NotEqual(t, id, batchRequest(ds[:2]).ID)
	assert.NotContains(t, id, ".")
	ds[0].Attempts = 4
	again := batchRequest(ds)
	assert.Equal(t, id, again.ID)
	assert.Equal(t, 4, again.Attempts)
}
