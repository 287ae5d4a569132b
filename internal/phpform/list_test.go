package phpform

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestItemsAreWhatAppendItemWasGiven(t *testing.T) {
	forms := []string{"type=open&person%5Bname%5D=Ann+%26+Bob&person%5Bfields%5D%5B7%5D=", "type=sent", "data%5Ba%5D%5B0%5D=1"}
	var list []byte
	for i, form := range forms {
		list = AppendItem(list, "events", i, []byte(form))
	}
	assert.Equal(t, "events%5B0%5D%5Btype%5D=open&events%5B0%5D%5Bperson%5D%5Bname%5D=Ann+%26+Bob&"+
		"events%5B0%5D%5Bperson%5D%5Bfields%5D%5B7%5D=&events%5B1%5D%5Btype%5D=sent&events%5B2%5D%5Bdata%5D%5Ba%5D%5B0%5D=1&", string(list))
	list = list[:len(list)-1]
	assert.Equal(t, 5, Count(list))
	var got []string
	for _, item := range Items(list, "events") {
		got = append(got, string(item))
	}
	assert.Equal(t, forms, got)
}

func TestAnItemMayBeWrittenByHand(t *testing.T) {
	form := "type=open&&person[name]=Ann&person%5bfields%5d[7]=%5B&"
	list := AppendItem(nil, "events", 0, []byte(form))
	assert.Equal(t, "events%5B0%5D%5Btype%5D=open&events%5B0%5D%5Bperson%5D[name]=Ann&events%5B0%5D%5Bperson%5D%5bfields%5d[7]=%5B&", string(list))
	assert.Equal(t, "type=open&person%5Bname%5D=Ann&person%5Bfields%5D%5B7%5D=%5B", string(Items(list, "events")[0]))
}

func TestAFormWithoutAKey(t *testing.T) {
	for form, want := range map[string]string{
		"id=1": "", "a=1&b": "a=1&b", "a=1&%69d=2&id[x]=3&id%5B%5D=4&idea=5&id": "a=1&idea=5", "b%zz=1&id=2": "b%zz=1",
	} {
		assert.Equal(t, want, string(Without([]byte(form), "id")), form)
	}
}

func TestItemsAreReadLiberally(t *testing.T) {
	for form, want := range map[string][]string{
		"":                            nil,
		"type=open":                   nil,
		"type=open&events[0][type]=x": nil, // its first key decides
		"events=1":                    nil,
		"events[]=1":                  nil,
		"events[a][type]=open":        nil,
		"events[0]=1":                 nil,
		"events[0][]=1":               nil,
		"events[0][type":              nil,
		"events%5":                    nil,
		"others[0][type]=open":        nil,
		"events[7][type]=a&x=y":       {"type=a"},
		"events[1][a]=1&events[0][b]=2&events[1][c][d]=%7e":  {"a=1&c%5Bd%5D=%7e", "b=2"},
		"events[0][a]=1&events[b=2&events%zz=3&events[0][a]": {"a=1&a="},
	} {
		var got []string
		for _, item := range Items([]byte(form), "events") {
			got = append(got, string(item))
		}
		assert.Equal(t, want, got, form)
	}
}
