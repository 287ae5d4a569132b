package clienttest

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook/manage"
)

// testTexts are a pseudo-language, whose texts are half as long again, which shows
// texts that are cut off or not translated, and a sample of Arabic, which is
// written from right to left.
func testTexts(t *testing.T) map[string]map[string]string {
	sample, err := os.ReadFile("testdata/ar.json")
	require.NoError(t, err)
	arabic := map[string]string{}
	require.NoError(t, json.Unmarshal(sample, &arabic))
	return map[string]map[string]string{"en-XA": pseudo(manage.Texts("en")), "ar": arabic}
}

// pseudo returns texts that can be read, but are longer and have accents.
func pseudo(texts map[string]string) map[string]string {
	accents := strings.NewReplacer("a", "á", "e", "é", "i", "í", "o", "ó", "u", "ú", "c", "ç", "n", "ñ", "A", "Á", "E", "É", "O", "Ö", "S", "Š")
	out := map[string]string{}
	for message, text := range texts {
		if message == "12,345.6" || strings.HasPrefix(message, "Jan Feb") {
			continue
		}
		var b strings.Builder
		for text != "" {
			at := strings.IndexAny(text, "{<#}")
			if at < 0 {
				at = len(text)
			}
			if plain := text[:at]; plain != "" {
				b.WriteString(accents.Replace(plain))
				if words := strings.Fields(plain); len(words) > 0 { // longer by half
					b.WriteString(strings.TrimSuffix(" "+strings.Join(words[:(len(words)+1)/2], " "), ","))
				}
			}
			text = text[at:]
			syntax := syntaxOf(text)
			b.WriteString(syntax)
			text = text[len(syntax):]
		}
		out[message] = "[" + b.String() + "]"
	}
	return out
}

// syntaxOf returns how much of a text that begins with {, }, # or < is not for
// people.
func syntaxOf(text string) string {
	switch {
	case text == "":
		return ""
	case text[0] == '<':
		return text[:strings.IndexByte(text, '>')+1]
	case text[0] != '{' && text[0] != '}':
		return text[:1]
	}
	if end := strings.IndexAny(text[1:], "{}") + 1; text[0] == '{' && text[end] == '}' && !strings.Contains(text[:end], " ") {
		return text[:end+1] // {name}
	} else if text[0] == '{' && strings.Contains(text[:end+1], ", plural,") {
		return text[:end+1] // {n, plural, one {
	}
	if rest, ok := strings.CutPrefix(text, "} other {"); ok {
		return text[:len(text)-len(rest)]
	}
	return text[:1]
}
