package sqlstore

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

var logged = time.Date(2026, 11, 29, 9, 28, 42, 123_000_000, time.UTC)

func TestLogsComeBack(t *testing.T) {
	for name, c := range map[string]struct {
		attempt webhook.Attempt
		short   bool
	}{
		"a plain success":         {webhook.Attempt{Start: logged, Duration: 12345678, Status: 200, Response: []byte("ok")}, true},
		"without an answer":       {webhook.Attempt{Start: logged, Duration: 1, Status: 204}, true},
		"an answer of any bytes":  {webhook.Attempt{Start: logged, Status: 200, Response: []byte("\x00\n+ \xff")}, true},
		"an answer of 128":        {webhook.Attempt{Start: logged, Status: 200, Response: []byte(strings.Repeat("x", 128))}, true},
		"a long answer":           {webhook.Attempt{Start: logged, Status: 200, Response: []byte(strings.Repeat("x", 129))}, false},
		"before 1970":             {webhook.Attempt{Start: time.Unix(-5, 0).UTC(), Duration: -7, Status: -1}, true},
		"at no time":              {webhook.Attempt{}, true},
		"in the year 9999":        {webhook.Attempt{Start: time.Date(9999, 12, 31, 23, 59, 59, 999_000_000, time.UTC)}, true},
		"below a millisecond":     {webhook.Attempt{Start: logged.Add(1), Status: 200}, false},
		"a failure":               {webhook.Attempt{Start: logged, Status: 500, Reason: "It failed.\n+"}, false},
		"a failure with a code":   {webhook.Attempt{Start: logged, Code: "refused"}, false},
		"sent once more":          {webhook.Attempt{Start: logged, Status: 200, Resends: 1}, false},
		"a detail for operators":  {webhook.Attempt{Start: logged, Status: 200, Detail: "by 192.0.2.1"}, false},
		"an empty answer, no nil": {webhook.Attempt{Start: logged, Status: 200, Response: []byte{}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			lines, err := newLogEncoder().encode(nil, &c.attempt)
			require.NoError(t, err)
			require.Equal(t, c.short, lines[0] == shortLine, string(lines))
			if c.short && len(c.attempt.Response) < 3 {
				require.Less(t, len(lines), 40, string(lines))
			}
			all, err := newLogEncoder().encode([]webhook.Attempt{c.attempt, {Start: logged, Reason: "It failed."}}, &c.attempt)
			require.NoError(t, err)
			got, err := unmarshalLog(all)
			require.NoError(t, err)
			if want := c.attempt; len(want.Response) == 0 {
				want.Response = nil
				for i := range got {
					if len(got[i].Response) == 0 {
						got[i].Response = nil
					}
				}
				c.attempt = want
			}
			require.Equal(t, []webhook.Attempt{c.attempt, {Start: logged, Reason: "It failed."}, c.attempt}, got)
		})
	}
}

func TestLogsOfEarlierVersionsAreRead(t *testing.T) {
	log, err := unmarshalLog([]byte(`{"Start":"2026-11-29T09:28:42.123Z","Duration":5,"Status":200,"Reason":"","Detail":"","Response":"b2s="}` + "\n"))
	require.NoError(t, err)
	require.Equal(t, []webhook.Attempt{{Start: logged, Duration: 5, Status: 200, Response: []byte("ok")}}, log)
	for _, broken := range []string{"\n", "+", "+1 2 3", "+1 2 3 4 5", "+! 2 3 ", "+1 2 3 !", "{"} {
		_, err := unmarshalLog([]byte(broken))
		require.Error(t, err, broken)
	}
}

// A short line has only some of the fields of an attempt: whatever other field is set, the
// log keeps it.
func TestEveryFieldOfAnAttemptIsKept(t *testing.T) {
	fields := reflect.TypeFor[webhook.Attempt]()
	for i := range fields.NumField() {
		a := webhook.Attempt{Start: time.UnixMilli(1).UTC(), Status: 200}
		switch f := reflect.ValueOf(&a).Elem().Field(i); f.Kind() {
		case reflect.String:
			f.SetString("x")
		case reflect.Int, reflect.Int64:
			f.SetInt(7)
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
		}
		line, err := newLogEncoder().encode(nil, &a)
		require.NoError(t, err)
		log, err := unmarshalLog(line)
		require.NoError(t, err)
		require.Equal(t, []webhook.Attempt{a}, log, fields.Field(i).Name)
	}
}
