package webhook

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook/internal/phpform"
)

// requirePHP returns the path of PHP's command. Without one the test is
// skipped, or fails if LISTHOOK_REQUIRE, a list of words, holds "php".
func requirePHP(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("php")
	if err == nil {
		return path
	}
	if slices.Contains(strings.Split(os.Getenv("LISTHOOK_REQUIRE"), ","), "php") {
		t.Fatal("LISTHOOK_REQUIRE asks for php: ", err)
	}
	t.Skip("needs php: ", err)
	return ""
}

// phpPost returns what PHP makes of each body: the text of each variable by its
// path in $_POST, as pathOf writes it.
func phpPost(t *testing.T, bodies [][]byte) []map[string]string {
	t.Helper()
	var in, warnings bytes.Buffer
	for _, body := range bodies {
		fmt.Fprintln(&in, base64.StdEncoding.EncodeToString(body))
	}
	// Without the machine's php.ini: its defaults are what receivers have.
	php := exec.Command(requirePHP(t), "-n", "-d", "display_errors=stderr", "testdata/payload/parse_str.php")
	php.Stdin, php.Stderr = &in, &warnings
	out, err := php.Output()
	require.NoError(t, err, warnings.String())

	var posts []map[string]string
	for line := range bytes.Lines(out) {
		var variables [][2]json.RawMessage
		require.NoError(t, json.Unmarshal(line, &variables))
		post := make(map[string]string)
		for _, v := range variables {
			var path [][]byte // encoding/json reads base64 into bytes
			var text []byte
			require.NoError(t, json.Unmarshal(v[0], &path))
			require.NoError(t, json.Unmarshal(v[1], &text))
			var names []string
			for _, name := range path {
				names = append(names, string(name))
			}
			post[pathOf(names...)] = string(text)
		}
		posts = append(posts, post)
	}
	require.Len(t, posts, len(bodies))
	return posts
}

func TestPHPReadsEveryEventAsItWasMeant(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))

	var bodies [][]byte
	var want []map[string]string
	for i := range 900 {
		typ := EventTypes()[i%9]
		e := randomEvent(r, typ)
		require.NoError(t, validate(e, 1<<20))
		m, list := e.meta(), e.meta().Lists[0]
		text := func() string { return hostileTexts[r.IntN(len(hostileTexts))] }
		customer := CustomerAccount{OrgName: text(), Name: text(), ID: text()}
		for _, f := range []Format{Format2013, FormatCurrent} {
			body, err := encodeFor(customer, e, m, f)
			require.NoError(t, err)
			bodies = append(bodies, body)
			vars := make(map[string]string)
			for _, v := range reference(e, m, list, f) {
				vars[pathOf(v.path...)] = v.text
			}
			if f == FormatCurrent {
				vars[pathOf("orgname")] = customer.OrgName
				vars[pathOf("customer_acct_name")] = customer.Name
				vars[pathOf("customer_acct_id")] = customer.ID
				if p := e.person(); p != nil && p.CustomerAccount == "" {
					vars[pathOf("contact", "customer_acct_name")] = customer.Name
				}
			}
			want = append(want, vars)
		}
	}
	for i, got := range phpPost(t, bodies) {
		if !assert.Equal(t, want[i], got, "body %d of seed %d: %q", i, seed, bodies[i]) {
			return
		}
	}
}

// Every key of one byte, every pair of those that mean something to a parser
// of forms, and what a numeric index may look like.
func TestPHPReadsEveryFieldKeyThatIsValid(t *testing.T) {
	var keys []string
	for c := range 256 {
		keys = append(keys, string([]byte{byte(c)}))
	}
	const special = "\x00\t\n\v\f\r \"#$%&'()*+,-./0:;<=>?[\\]^_`{|}~\x7f\x80\x85\xa0\xff"
	for i := range len(special) {
		for j := range len(special) {
			keys = append(keys, string([]byte{special[i], special[j]}), string([]byte{'a', special[i], special[j], 'b'}))
		}
	}
	keys = append(keys,
		"", "00", "007", "-0", "-1", "+1", "1e3", "0x1F", "1.5", " 7", "7 ", "\u00a0", "\u2028",
		"9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
		"GLOBALS", "_POST", "this", "__proto__", "length", "é", "%5D", "%00", "%", "a]b", "a[b", "][", "[]", "a[]",
		strings.Repeat("k", 10_000),
	)

	var bodies [][]byte
	var sent []string
	misread := 0
	for _, key := range keys {
		e := Update{
			Meta:       Meta{Source: SourceAPI},
			Subscriber: Subscriber{Email: "a@example.com", Fields: map[string]string{"1": "before", key: "it", "zz": "after"}},
		}
		if err := validate(e, 1<<20); err != nil {
			var bad *InvalidError
			require.ErrorAs(t, err, &bad)
			require.Equal(t, "Subscriber.Fields", bad.Field)
			misread++
		} else {
			assert.False(t, key == "" || strings.ContainsAny(key, "[]\x00"), "%q is valid", key)
		}
		body, err := encodeList(e, e.Meta, "0", Format2013)
		require.NoError(t, err)
		bodies, sent = append(bodies, body), append(sent, key)
	}
	require.NotZero(t, misread)

	for i, got := range phpPost(t, bodies) {
		key := sent[i]
		want := map[string]string{pathOf("subscriber", "fields", "1"): "before", pathOf("subscriber", "fields", "zz"): "after"}
		want[pathOf("subscriber", "fields", key)] = "it"
		for path := range got {
			if !strings.HasPrefix(path, pathOf("subscriber", "fields")) {
				delete(got, path)
			}
		}
		if misread := !assert.ObjectsAreEqual(want, got); misread != phpform.Misread(key) && !strings.Contains(key, "[") {
			t.Errorf("the key %q: badKey is %t, but PHP made of it %v", key, phpform.Misread(key), got)
		}
	}
}

// What the limit of variables is for.
func TestPHPDropsVariablesBeyondTheLimit(t *testing.T) {
	e := manyFields(maxVariables)
	atLimit, err := encodeList(e, e.Meta, "0", FormatCurrent)
	require.NoError(t, err)
	posts := phpPost(t, [][]byte{atLimit, append(slices.Clone(atLimit), "&one=more"...)})
	assert.Len(t, posts[0], maxVariables)
	assert.Len(t, posts[1], maxVariables)
	assert.NotContains(t, posts[1], pathOf("one"))
}
