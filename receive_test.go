package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The example of the Standard Webhooks specification.
const (
	vectorID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	vectorTime      = 1614265330
	vectorBody      = `{"test": 2432232314}`
	vectorKey       = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	vectorSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

// sleepUntil makes it t in a synctest bubble, whose clock starts in 2000.
func sleepUntil(t time.Time) { time.Sleep(time.Until(t)) }

// signedHeader returns the headers of a delivery that is signed now.
func signedHeader(t *testing.T, id string, body []byte, secrets ...Secret) http.Header {
	s, err := newSigner(secrets)
	require.NoError(t, err)
	now := time.Now()
	h := http.Header{}
	h.Set(HeaderID, id)
	h.Set(HeaderTimestamp, strconv.FormatInt(now.Unix(), 10))
	h.Set(HeaderSignature, s.Header(id, now, body))
	return h
}

// TestTheStandardsOwnLibraryAgrees compares with signatures that the standard's
// Go library made (github.com/standard-webhooks/standard-webhooks/libraries
// v0.0.1, its Sign), kept in testdata so that this module need not require it.
func TestTheStandardsOwnLibraryAgrees(t *testing.T) {
	data, err := os.ReadFile("testdata/standardwebhooks.json")
	require.NoError(t, err)
	var vectors []struct {
		Name, Secret, ID, Body, Signature string
		Timestamp                         int64
	}
	require.NoError(t, json.Unmarshal(data, &vectors))
	require.NotEmpty(t, vectors)
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			secrets := []Secret{{Key: v.Secret}}
			s, err := newSigner(secrets)
			require.NoError(t, err)
			assert.Equal(t, v.Signature, s.Header(v.ID, time.Unix(v.Timestamp, 0), []byte(v.Body)))

			h := http.Header{}
			h.Set("webhook-id", v.ID)
			h.Set("webhook-timestamp", strconv.FormatInt(v.Timestamp, 10))
			h.Set("webhook-signature", v.Signature)
			ever := &ReceiveOptions{Secrets: secrets, Tolerance: math.MaxInt64}
			assert.NoError(t, Verify(h, []byte(v.Body), ever))
		})
	}
}

func TestTheStandardsExampleIsVerifiedWithinTheTolerance(t *testing.T) {
	h := http.Header{}
	h.Set(HeaderID, vectorID)
	h.Set(HeaderTimestamp, strconv.Itoa(vectorTime))
	h.Set(HeaderSignature, vectorSignature)
	signed := time.Unix(vectorTime, 0)
	for name, test := range map[string]struct {
		now       time.Time
		tolerance time.Duration
		want      error
	}{
		"at once":                       {signed, 0, nil},
		"5 minutes later":               {signed.Add(5 * time.Minute), 0, nil},
		"more than 5 minutes later":     {signed.Add(5*time.Minute + time.Millisecond), 0, ErrTimestamp},
		"5 minutes earlier":             {signed.Add(-5 * time.Minute), 0, nil},
		"more than 5 minutes earlier":   {signed.Add(-5*time.Minute - time.Millisecond), 0, ErrTimestamp},
		"a second of tolerance":         {signed.Add(time.Second), time.Second, nil},
		"more than the second later":    {signed.Add(time.Second + 1), time.Second, ErrTimestamp},
		"more than the second earlier":  {signed.Add(-time.Second - 1), time.Second, ErrTimestamp},
		"a day with a day of tolerance": {signed.Add(24 * time.Hour), 24 * time.Hour, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sleepUntil(test.now)
				err := Verify(h, []byte(vectorBody), &ReceiveOptions{Secrets: []Secret{{Key: vectorKey}}, Tolerance: test.tolerance})
				assert.ErrorIs(t, err, test.want)
			})
		})
	}
}

func TestWhateverIsChangedOnTheWayIsNoticed(t *testing.T) {
	body := []byte("type=open&list=1")
	secret, other := NewSecret(), NewSecret()
	for name, change := range map[string]func(h http.Header, body []byte) []byte{
		"the body":            func(_ http.Header, b []byte) []byte { b[len(b)-1] = '2'; return b },
		"the body's end":      func(_ http.Header, b []byte) []byte { return append(b, '&') },
		"the body left out":   func(http.Header, []byte) []byte { return nil },
		"the id":              func(h http.Header, b []byte) []byte { h.Set(HeaderID, "id-2"); return b },
		"the id left out":     func(h http.Header, b []byte) []byte { h.Del(HeaderID); return b },
		"the timestamp":       func(h http.Header, b []byte) []byte { h.Set(HeaderTimestamp, later(h)); return b },
		"no timestamp":        func(h http.Header, b []byte) []byte { h.Del(HeaderTimestamp); return b },
		"a timestamp's text":  func(h http.Header, b []byte) []byte { h.Set(HeaderTimestamp, "now"); return b },
		"a timestamp's point": func(h http.Header, b []byte) []byte { h.Set(HeaderTimestamp, h.Get(HeaderTimestamp)+".0"); return b },
		"a huge timestamp":    func(h http.Header, b []byte) []byte { h.Set(HeaderTimestamp, "99999999999999999999"); return b },
		"the last timestamp":  func(h http.Header, b []byte) []byte { h.Set(HeaderTimestamp, "9223372036854775807"); return b },
		"no signature":        func(h http.Header, b []byte) []byte { h.Del(HeaderSignature); return b },
		"an empty signature":  func(h http.Header, b []byte) []byte { h.Set(HeaderSignature, "v1,"); return b },
		"spaces":              func(h http.Header, b []byte) []byte { h.Set(HeaderSignature, "   "); return b },
		"the signature":       func(h http.Header, b []byte) []byte { h.Set(HeaderSignature, flipped(h)); return b },
		"its version": func(h http.Header, b []byte) []byte {
			h.Set(HeaderSignature, "v2"+strings.TrimPrefix(h.Get(HeaderSignature), "v1"))
			return b
		},
		"its version left out": func(h http.Header, b []byte) []byte {
			h.Set(HeaderSignature, strings.TrimPrefix(h.Get(HeaderSignature), "v1,"))
			return b
		},
		"its end cut off": func(h http.Header, b []byte) []byte {
			h.Set(HeaderSignature, strings.TrimRight(h.Get(HeaderSignature), "="))
			return b
		},
		"another's secret": func(h http.Header, b []byte) []byte {
			h.Set(HeaderSignature, signedHeader(t, "id-1", b, other).Get(HeaderSignature))
			return b
		},
		"id and body moved apart": func(h http.Header, b []byte) []byte {
			// The signed text is the same only if a dot could be in an id.
			h.Set(HeaderID, "id-1."+h.Get(HeaderTimestamp))
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := signedHeader(t, "id-1", body, secret)
			opts := &ReceiveOptions{Secrets: []Secret{secret}}
			require.NoError(t, Verify(h, body, opts), "unchanged")
			err := Verify(h, change(h, []byte(string(body))), opts)
			assert.ErrorIs(t, err, ErrSignature)
			assert.NotContains(t, fmt.Sprint(err), secret.Key)
		})
	}
}

func later(h http.Header) string {
	n, _ := strconv.ParseInt(h.Get(HeaderTimestamp), 10, 64)
	return strconv.FormatInt(n+1, 10)
}

func flipped(h http.Header) string {
	b := []byte(h.Get(HeaderSignature))
	b[10] ^= 1
	return string(b)
}

func TestSecretsAreRotatedWithAnOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := []byte("type=open")
		old, current := NewSecret(), NewSecret()
		ending := Secret{Key: old.Key, Until: time.Now().Add(time.Hour)}
		verify := func(h http.Header, secrets ...Secret) error {
			return Verify(h, body, &ReceiveOptions{Secrets: secrets})
		}

		both := signedHeader(t, "id", body, current, ending)
		assert.NoError(t, verify(both, old), "a receiver that knows only the old one")
		assert.NoError(t, verify(both, current), "a receiver that knows only the new one")
		assert.NoError(t, verify(both, old, current))
		assert.ErrorIs(t, verify(both, NewSecret()), ErrSignature)
		assert.NoError(t, verify(signedHeader(t, "id", body, old), ending, current), "a sender that does not know the new one yet")

		both.Set(HeaderSignature, "v1a,c29tZXRoaW5n v9 "+both.Get(HeaderSignature)+" v2,=")
		assert.NoError(t, verify(both, old), "beside signatures of other versions")

		time.Sleep(time.Hour)
		assert.ErrorIs(t, verify(signedHeader(t, "id", body, old), ending, current), ErrSignature, "the old one has ended")
		assert.NoError(t, verify(signedHeader(t, "id", body, current, ending), ending, current))
	})
}

func TestNothingIsAcceptedUnsignedUnlessItIsSaid(t *testing.T) {
	unsigned := http.Header{}
	for name, opts := range map[string]*ReceiveOptions{
		"no options":     nil,
		"no secrets":     {},
		"an empty key":   {Secrets: []Secret{{}}},
		"a broken key":   {Secrets: []Secret{NewSecret(), {Key: "whsec_"}}},
		"both are given": {Secrets: []Secret{{}}, Unsigned: true},
	} {
		var bad *InvalidError
		require.ErrorAs(t, Verify(unsigned, nil, opts), &bad, name)
		assert.Equal(t, "Secrets", bad.Field, name)
	}
	assert.NoError(t, Verify(unsigned, nil, &ReceiveOptions{Unsigned: true}))
	assert.ErrorIs(t, Verify(unsigned, nil, &ReceiveOptions{Secrets: []Secret{NewSecret()}, Unsigned: true}), ErrSignature)
}

const announcedBody = "type=subscribe&date_time=2013-01-02+09%3A28%3A42&initiated_from=admin&initiated_by=admin&list=12" +
	"&subscriber%5Bid%5D=12&subscriber%5Bemail%5D=test%40test.com&subscriber%5Bfirst_name%5D=Test&subscriber%5Blast_name%5D=Test" +
	"&subscriber%5Bip%5D=127.0.0.1&subscriber%5Bfields%5D%5B7%5D=test+value"

// request is one that brings body, signed now with the secrets.
func request(t *testing.T, body string, secrets ...Secret) *http.Request {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/hook", strings.NewReader(body))
	r.Header = signedHeader(t, "id-1", []byte(body), secrets...)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func TestARequestBringsAnEvent(t *testing.T) {
	secret := NewSecret()
	events, err := ParseRequest(request(t, announcedBody, secret), &ReceiveOptions{Secrets: []Secret{secret}})
	require.NoError(t, err)
	assert.Equal(t, []Event{Subscribe{
		Meta: Meta{
			ID: "id-1", Lists: []string{"12"}, Source: SourceAdmin, By: "admin",
			Time: time.Date(2013, 1, 2, 9, 28, 42, 0, time.UTC),
		},
		Subscriber: Subscriber{
			ID: "12", Email: "test@test.com", FirstName: "Test", LastName: "Test", IP: "127.0.0.1",
			Fields: map[string]string{"7": "test value"},
		},
	}}, events)
}

func TestEachOfTheNineIsBroughtByValueWithItsID(t *testing.T) {
	for _, kind := range EventTypes() {
		events, err := ParseRequest(request(t, "type="+string(kind)), &ReceiveOptions{Unsigned: true})
		require.NoError(t, err)
		e := events[0]
		assert.Equal(t, kind, e.Type())
		assert.Equal(t, "id-1", e.meta().ID)
		assert.NotContains(t, fmt.Sprintf("%T", e), "*")
	}
}

func TestARequestInJSONBringsTheSameEvent(t *testing.T) {
	secret := NewSecret()
	for _, kind := range EventTypes() {
		r := request(t, string(SampleBody(kind, FormatJSON)), secret)
		r.Header.Set("Content-Type", "application/json")
		got, err := ParseRequest(r, &ReceiveOptions{Secrets: []Secret{secret}})
		require.NoError(t, err)
		want, err := ParseRequest(request(t, string(SampleBody(kind, FormatCurrent)), secret), &ReceiveOptions{Secrets: []Secret{secret}})
		require.NoError(t, err)
		require.Equal(t, want[0].meta().Time.UTC(), got[0].meta().Time)
		assert.Equal(t, "id-1", got[0].meta().ID)
		assert.Equal(t, sent(want[0]), sent(got[0]))
	}
}

func TestARequestOfASenderThatKnowsNoIDIsTakenUnsigned(t *testing.T) {
	r := request(t, announcedBody)
	r.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	events, err := ParseRequest(r, &ReceiveOptions{Unsigned: true})
	require.NoError(t, err)
	assert.Empty(t, events[0].meta().ID)
}

func TestARequestThatIsNotVerifiedBringsNoEvent(t *testing.T) {
	e, err := ParseRequest(request(t, announcedBody, NewSecret()), &ReceiveOptions{Secrets: []Secret{NewSecret()}})
	assert.ErrorIs(t, err, ErrSignature)
	assert.Nil(t, e)
	e, err = ParseRequest(request(t, announcedBody), nil)
	assert.Error(t, err)
	assert.Nil(t, e)
}

func TestABodyThatWasReadBeforeIsToldFromAForgedOne(t *testing.T) {
	secret := NewSecret()
	opts := &ReceiveOptions{Secrets: []Secret{secret}}
	for name, test := range map[string]struct {
		before func(*http.Request)
		want   error
	}{
		"nothing":                     {func(*http.Request) {}, nil},
		"r.ParseForm":                 {func(r *http.Request) { assert.NoError(t, r.ParseForm()) }, ErrBodyRead},
		"r.FormValue":                 {func(r *http.Request) { r.FormValue("type") }, ErrBodyRead},
		"r.ParseMultipartForm":        {func(r *http.Request) { _ = r.ParseMultipartForm(1 << 20) }, ErrBodyRead},
		"a middleware that reads":     {func(r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }, ErrBodyRead},
		"a middleware that closes":    {func(r *http.Request) { _ = r.Body.Close() }, ErrBodyRead},
		"one that takes it away":      {func(r *http.Request) { r.Body = http.NoBody }, ErrBodyRead},
		"one that gives it back":      {func(r *http.Request) { giveBack(t, r) }, nil},
		"r.ParseForm and given back":  {func(r *http.Request) { giveBack(t, r); form(t, r) }, nil},
		"r.ParseForm of the URL only": {func(r *http.Request) { r.Form = r.URL.Query() }, nil},
	} {
		for how, length := range map[string]int64{"with a length": int64(len(announcedBody)), "in chunks": -1} {
			if length < 0 && (name == "a middleware that reads" || name == "one that takes it away") {
				continue // it leaves no trace
			}
			answers := make(chan error, 1)
			s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				test.before(r)
				_, err := ParseRequest(r, opts)
				_, unsigned := ParseRequest(r, &ReceiveOptions{Unsigned: true})
				if test.want != nil {
					assert.ErrorIs(t, unsigned, test.want, "%s, %s", name, how)
				}
				answers <- err
			}))
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, io.MultiReader(strings.NewReader(announcedBody)))
			require.NoError(t, err)
			r.Header = signedHeader(t, "id-1", []byte(announcedBody), secret)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.ContentLength = length
			answer, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			require.NoError(t, answer.Body.Close())
			assert.ErrorIs(t, <-answers, test.want, "%s, %s", name, how)
			s.Close()
		}
	}
	_, err := ParseRequest(request(t, "", secret), opts)
	assert.NotErrorIs(t, err, ErrBodyRead, "an empty body was not read before")
}

// giveBack reads the body and puts another in its place.
func giveBack(t *testing.T, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	assert.NoError(t, err)
	r.Body = io.NopCloser(bytes.NewReader(body))
}

// form lets r be parsed without using its body up.
func form(t *testing.T, r *http.Request) {
	again := *r
	giveBack(t, r)
	body, err := io.ReadAll(r.Body)
	assert.NoError(t, err)
	again.Body = io.NopCloser(bytes.NewReader(body))
	assert.NoError(t, again.ParseForm())
	r.Body, r.Form, r.PostForm = io.NopCloser(bytes.NewReader(body)), again.Form, again.PostForm
}
