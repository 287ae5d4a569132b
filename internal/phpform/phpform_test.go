package phpform

import (
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type order struct {
	Note   string   `form:"-"`
	State  string   `form:"state"`
	Person person   `form:"person"`
	Refund *refund  `form:"refund"`
	Parcel []string `form:"parcels,omitempty"`
}

type person struct {
	Name   string            `form:"name"`
	IP     string            `form:"ip" empty:"0.0.0.0"`
	Age    int               `form:"age,omitempty"`
	Tags   []string          `form:"tags,omitempty" always:"shop"`
	Phone  string            `form:"phone,omitempty" always:"shop"`
	Fields map[string]string `form:"fields"`
	Home   address           `form:"home"`
}

type address struct {
	City string `form:"city,omitempty"`
}

type refund struct {
	Cents int `form:"cents"`
}

var orders = NewSchema(order{}, Dialect{}, Dialect{Name: "shop", Names: map[string]string{"person": "buyer", "state": "status"}})

// pairs returns the pairs of a form as a reader sees them.
func pairs(form []byte) []string {
	var all []string
	for pair := range strings.SplitSeq(strings.TrimSuffix(string(form), "&"), "&") {
		text, err := url.QueryUnescape(pair)
		if err != nil {
			panic(err)
		}
		all = append(all, text)
	}
	return all
}

func TestAppendWritesTheStructsInTheirOrder(t *testing.T) {
	o := order{
		Note: "not sent", State: "paid & sent",
		Person: person{
			Name: "Ann", Age: 7, Phone: "1", Tags: []string{"a", "b"}, Home: address{City: "Bonn"},
			Fields: map[string]string{"zip": "1", "10": "2", "9": "3", "016": "4", "16": "5", "a b": "6", "cleared": ""},
		},
		Refund: &refund{}, Parcel: []string{"x"},
	}
	want := []string{
		"state=paid & sent", "person[name]=Ann", "person[ip]=0.0.0.0", "person[age]=7", "person[tags]=a, b", "person[phone]=1",
		"person[fields][9]=3", "person[fields][10]=2", "person[fields][016]=4", "person[fields][16]=5",
		"person[fields][a b]=6", "person[fields][cleared]=", "person[fields][zip]=1", "person[home][city]=Bonn", "refund[cents]=0", "parcels=x",
	}
	for range 20 { // maps are walked in another order each time
		require.Equal(t, want, pairs(orders.Append(nil, 0, o)))
	}
	assert.Equal(t, orders.Append(nil, 0, o), orders.Append(nil, 0, &o))

	t.Run("under a dialect's names", func(t *testing.T) {
		for i, pair := range want {
			want[i] = strings.NewReplacer("person", "buyer", "state", "status").Replace(pair)
		}
		assert.Equal(t, want, pairs(orders.Append(nil, 1, o)))
	})

	t.Run("without what is empty and may be left out", func(t *testing.T) {
		for _, tags := range [][]string{nil, {}, {""}} {
			o := order{Person: person{Tags: tags}}
			assert.Equal(t, []string{"state=", "person[name]=", "person[ip]=0.0.0.0"}, pairs(orders.Append(nil, 0, o)))
			assert.Equal(t, []string{"status=", "buyer[name]=", "buyer[ip]=0.0.0.0", "buyer[tags]=", "buyer[phone]="},
				pairs(orders.Append(nil, 1, o)), "but in a dialect that always has them")
		}
	})
}

func TestAppendEscapedWritesAsTheStandardLibrary(t *testing.T) {
	for c := range 256 {
		text := "a" + string([]byte{byte(c)}) + "é"
		assert.Equal(t, "x="+url.QueryEscape(text), string(AppendEscaped([]byte("x="), text)))
	}
}

func TestAReaderReadsEveryDialect(t *testing.T) {
	r := NewReader(orders)
	o := order{
		State: "paid", Refund: &refund{Cents: -5}, Parcel: []string{"x", "y"},
		Person: person{Name: "Zoë\xff", Age: 7, Tags: []string{"a"}, Fields: map[string]string{"7": "&=", "a b": "%"}},
	}
	for dialect := range 2 {
		values, err := r.Parse(orders.Append(nil, dialect, o))
		require.NoError(t, err)
		var back order
		require.NoError(t, orders.Decode(&back, values))
		if dialect == 1 {
			assert.Empty(t, back.State, "a name without brackets is read as the tags have it")
			back.State = o.State
		}
		assert.Equal(t, o, back)
	}
}

func TestParseNamesWhatItCannotRead(t *testing.T) {
	r := NewReader(orders)
	for form, want := range map[string]*FieldError{
		"person[name]=%zz": {"Person.Name", "contains a malformed percent-escape"},
		"person%5":         {"", "contains a malformed percent-escape"},
	} {
		_, err := r.Parse([]byte(form))
		assert.Equal(t, want, err)
	}
	values, err := r.Parse([]byte("refund[cents]=x&person[age]=y"))
	require.NoError(t, err)
	assert.Equal(t, &FieldError{"Person.Age", "is not a number"}, orders.Decode(new(order), values), "the first of the struct")
	assert.Equal(t, "phpform: Person.Age is not a number", orders.Decode(new(order), values).Error())
	assert.Equal(t, "phpform: the form is odd", (&FieldError{"", "is odd"}).Error())
}

func TestMeasureBoundsTheForm(t *testing.T) {
	long := strings.Repeat("]", 500)
	for name, o := range map[string]order{
		"nothing":    {},
		"texts":      {State: long, Person: person{Name: long}, Parcel: []string{long, long}},
		"entries":    {Person: person{Fields: map[string]string{"7": long, strings.Repeat("é", 300): "x", "empty": ""}}},
		"a refund":   {Refund: &refund{Cents: -1 << 62}},
		"everything": {State: "x", Person: person{Name: long, Age: 1 << 62, Tags: make([]string, 99)}, Refund: &refund{}},
	} {
		size := orders.Measure(o)
		assert.False(t, size.Misread)
		assert.Equal(t, size, orders.Measure(&o))
		for dialect := range 2 {
			assert.LessOrEqual(t, len(orders.Append(nil, dialect, o)), orders.Most(size), name)
		}
	}
	assert.Equal(t, 10, orders.Keys())

	size := orders.Measure(order{Person: person{Fields: map[string]string{"b]": "", "a]": "", "7": "x"}}})
	assert.Equal(t, Size{Bytes: 6, Entries: 3, Misread: true, Name: "a]"}, size)
	o := any(&order{Person: person{Name: "x", Fields: map[string]string{"7": "x"}}})
	assert.Zero(t, testing.AllocsPerRun(100, func() { orders.Measure(o) }))
}

// A hostile form costs memory in proportion to its length.
func TestParsingAHostileFormIsBounded(t *testing.T) {
	const size = 1 << 18
	r := NewReader(orders)
	fill := func(s string) []byte { return []byte(strings.Repeat(s, size/len(s))) }
	for name, body := range map[string][]byte{
		"a huge index":     []byte("person[tags][999999999]=1&person[fields][999999999]=1"),
		"deep nesting":     fill("[a]"),
		"unknown keys":     fill("x[y]=1&"),
		"entries":          fill("buyer[fields][]=1&"),
		"texts":            fill("person[tags][]=1&"),
		"one long key":     []byte("person[fields][" + strings.Repeat("k", size) + "]=1"),
		"brackets in line": fill("buyer["),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			values, err := r.Parse(body)
			require.NoError(t, err)
			require.NoError(t, orders.Decode(new(order), values))
			runtime.ReadMemStats(&after)
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64*(len(body)+64<<10)))
		})
	}
}

// FuzzParse reads anything. What it reads, written and read again, is the same.
func FuzzParse(f *testing.F) {
	for _, form := range []string{
		"person[", "]x[=1", "a[b]c]=1&a[[b]]", "person[fields][999999999]=1", "person[tags][999999999]=1",
		"person" + strings.Repeat("[fields]", 100) + "=1", "buyer[fields][]=1&person[fields][+]=2", "person[age]=-1",
		"state=paid&buyer%5Bname%5d=a+b&person[ip]=0.0.0.0&refund[cents]=5&parcels=a, b&parcels[]=c",
	} {
		f.Add([]byte(form))
	}
	r := NewReader(orders)
	f.Fuzz(func(t *testing.T, form []byte) {
		read := func(form []byte) (order, error) {
			var o order
			values, err := r.Parse(form)
			if err == nil {
				err = orders.Decode(&o, values)
			}
			return o, err
		}
		o, err := read(form)
		if err != nil {
			var bad *FieldError
			require.ErrorAs(t, err, &bad)
			return
		}
		require.False(t, orders.Measure(o).Misread)
		again := orders.Append(nil, 0, o)
		o2, err := read(again)
		require.NoError(t, err)
		require.Equal(t, string(again), string(orders.Append(nil, 0, o2)))
	})
}

type report struct {
	Title string         `form:"title"`
	Data  map[string]any `form:"-" nested:"data"`
}

var reports = NewSchema(report{})

func TestNestedValuesComeLast(t *testing.T) {
	tree, leaves, err := Tree(map[string]any{"b": []any{1, true}, "a": map[string]string{"10": "x", "9": "&"}, "none": nil})
	require.NoError(t, err)
	assert.Equal(t, 5, leaves)
	assert.Equal(t, []string{"title=T", "data[a][9]=&", "data[a][10]=x", "data[b][0]=1", "data[b][1]=1", "data[none]="},
		pairs(reports.Append(nil, 0, report{Title: "T", Data: tree})))
}

func TestNestedValuesAreReadWithTheOthers(t *testing.T) {
	r := NewReader(reports, orders)
	values, err := r.Parse([]byte("data[a][b]=1&title=T&data[l][]=x&data[l][]=y&data=3&person[name]=Ann"))
	require.NoError(t, err)
	var got report
	require.NoError(t, reports.Decode(&got, values))
	assert.Equal(t, report{Title: "T", Data: map[string]any{"a": map[string]any{"b": "1"}, "l": []any{"x", "y"}}}, got)
	var o order
	require.NoError(t, orders.Decode(&o, values))
	assert.Equal(t, "Ann", o.Person.Name)
}

func TestATreeSharesNothing(t *testing.T) {
	inner := []any{"a"}
	tree, _, err := Tree(map[string]any{"x": inner})
	require.NoError(t, err)
	inner[0] = "changed"
	assert.Equal(t, map[string]any{"x": []any{"a"}}, tree)

	_, _, err = Tree(map[string]any{strings.Repeat("é", 50): []any{func() {}}})
	assert.Equal(t, "phpform: ."+strings.Repeat("é", 20)+"…[0] is of the type func(), which bodies cannot hold", err.Error())
	_, _, err = Tree(map[string]any{"at": time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)})
	assert.EqualError(t, err, "phpform: .at is a time in the year 10000, which RFC 3339 cannot hold")
	tree, _, err = Tree(map[string]any{"born": time.Date(1930, 1, 1, 0, 0, 0, 0, time.FixedZone("AMT", 19*60+32))})
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"born": "1929-12-31T23:40:28Z"}, tree, "RFC 3339 has no offset with seconds")
	tree, leaves, err := Tree(nil)
	require.NoError(t, err)
	assert.Zero(t, leaves)
	assert.Equal(t, map[string]any{}, tree)
}

// A hostile form of nested values costs memory in proportion to its length.
func TestParsingHostileNestedValuesIsBounded(t *testing.T) {
	const size = 1 << 18
	r := NewReader(reports)
	for name, body := range map[string]string{
		"deep":     strings.Repeat("data"+strings.Repeat("[a]", 200)+"=1&", size/605),
		"wide":     strings.Repeat("data[][][][][][][][]=1&", size/23),
		"one key":  "data" + strings.Repeat("[a]", size/3) + "=1",
		"long key": "data[" + strings.Repeat("k", size) + "]=1",
		"indexes":  strings.Repeat("data[9223372036854775807][]=1&data[99999999999999999999][]=1&", size/62),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			values, err := r.Parse([]byte(body))
			require.NoError(t, err)
			require.NoError(t, reports.Decode(new(report), values))
			runtime.ReadMemStats(&after)
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64*(len(body)+64<<10)))
		})
	}
}
