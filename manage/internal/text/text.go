// Package text has the words of the page, and of notices to owners, in several languages.
//
// The English text of a message is its key, so that templates and code are read
// without looking anything up. Messages hold arguments in braces and choose
// between plural forms, in a subset of ICU's MessageFormat:
//
//	The webhook {name} was added.
//	{n, plural, one {# delivery failed} other {# deliveries failed}}
//
// The elements <b>, <code> and <a> may stand in a message; HTML renders them, and
// <a> leads to the argument "a". How dates and numbers are written is a message
// too: months, separators and the order of a date's parts.
//
// messages.json lists the messages, and <language>.json translates them. A test
// finds the messages of the page's templates and code, and fails when one is
// missing or is not used any more.
package text

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"
	"sync"
)

// A Message is a text of the page, in English.
type Message string

//go:embed *.json
var files embed.FS

// English is the language that every other one falls back to.
const English = "en"

// builtIn returns the messages and their translations by language.
var builtIn = sync.OnceValues(func() (map[string]map[Message]string, error) {
	var messages []Message
	if err := read("messages", &messages); err != nil {
		return nil, err
	}
	english := map[Message]string{}
	for _, m := range messages {
		english[m] = string(m)
	}
	all := map[string]map[Message]string{English: english}
	for _, tag := range []string{"de", "es"} {
		translated := map[Message]string{}
		if err := read(tag, &translated); err != nil {
			return nil, err
		}
		all[tag] = translated
	}
	return all, nil
})

func read(name string, into any) error {
	document, err := files.ReadFile(name + ".json")
	if err != nil {
		return err
	}
	return json.Unmarshal(document, into)
}

// Messages returns what the page says in a language, by message. Where there is
// no such language it is English.
func Messages(tag string) (map[Message]string, error) {
	all, err := builtIn()
	if err != nil {
		return nil, err
	}
	for _, tag := range fallbacks(tag) {
		if texts, ok := all[tag]; ok {
			return maps.Clone(texts), nil
		}
	}
	return nil, errors.New("there is no English")
}

// A Catalog has the languages of a page.
type Catalog struct {
	languages map[string]*Language
}

// An Error says which of the app's texts cannot be used, and why.
type Error struct{ Tag, Reason string }

func (e *Error) Error() string { return e.Tag + ": " + e.Reason }

// NewCatalog returns the built-in languages with the app's texts, by language and
// message, before them. A text of which there is no message, or that has other
// arguments than its message, is an *Error.
func NewCatalog(texts map[string]map[string]string) (*Catalog, error) {
	all, err := builtIn()
	if err != nil {
		return nil, err
	}
	c := &Catalog{languages: map[string]*Language{}}
	for tag, translated := range all {
		if c.languages[tag], err = newLanguage(tag, translated); err != nil {
			return nil, err
		}
	}
	for _, tag := range slices.Sorted(maps.Keys(texts)) {
		own := map[Message]string{}
		for message, text := range texts[tag] {
			if _, ok := all[English][Message(message)]; !ok {
				return nil, &Error{tag, fmt.Sprintf("translates %.80q, which the page does not say", message)}
			}
			own[Message(message)] = text
		}
		l, err := newLanguage(canonical(tag), own)
		if err != nil {
			return nil, err
		}
		for _, tag := range fallbacks(l.Tag) { // what the app does not translate
			if below, ok := c.languages[tag]; ok {
				for m, parsed := range below.messages {
					if _, ok := l.messages[m]; !ok {
						l.messages[m] = parsed
					}
				}
				break
			}
		}
		c.languages[l.Tag] = l
	}
	return c, nil
}

// Languages returns the languages' tags.
func (c *Catalog) Languages() []string { return slices.Sorted(maps.Keys(c.languages)) }

// Language returns the language of a tag such as "de", "de-AT" or "pt_BR", or of
// the next best that there is: English in the end.
func (c *Catalog) Language(tag string) *Language {
	for _, tag := range fallbacks(tag) {
		if l, ok := c.languages[tag]; ok {
			return l
		}
	}
	return c.languages[English]
}

// canonical writes a tag as "de-at".
func canonical(tag string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimSpace(tag), "_", "-"))
}

// fallbacks returns a tag, what it is a part of, and English.
func fallbacks(tag string) []string {
	var all []string
	for tag = canonical(tag); tag != ""; {
		all = append(all, tag)
		tag = tag[:max(strings.LastIndexByte(tag, '-'), 0)]
	}
	return append(all, English)
}

// rightToLeft are the languages that are written from right to left.
var rightToLeft = []string{"ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"}

// A Language says messages.
type Language struct {
	Tag string // "de-at"
	Dir string // "ltr" or "rtl"

	messages map[Message]parts
	plural   func(float64) string
	numbers  separators
	months   []string
}

// newLanguage reads the messages of a language.
func newLanguage(tag string, texts map[Message]string) (*Language, error) {
	base, _, _ := strings.Cut(tag, "-")
	l := &Language{Tag: tag, Dir: "ltr", messages: map[Message]parts{}, plural: pluralOf(base)}
	if slices.Contains(rightToLeft, base) {
		l.Dir = "rtl"
	}
	for m, text := range texts {
		parsed, err := parse(text)
		if err != nil {
			return nil, &Error{tag, fmt.Sprintf("has for %.80q a text that cannot be read: %v", string(m), err)}
		}
		original, err := parse(string(m))
		if err != nil {
			return nil, &Error{tag, fmt.Sprintf("has the message %.80q, which cannot be read: %v", string(m), err)}
		}
		if have, want := parsed.arguments(), original.arguments(); !maps.Equal(have, want) {
			return nil, &Error{tag, fmt.Sprintf("has for %.80q a text with other arguments: {%s}", string(m), strings.Join(slices.Sorted(maps.Keys(have)), "}, {"))}
		}
		l.messages[m] = parsed
	}
	var err error
	if l.numbers, err = readSeparators(l.plain(sampleNumber)); err == nil {
		l.months, err = readMonths(l.plain(sampleMonths))
	}
	if err != nil {
		return nil, &Error{tag, err.Error()}
	}
	return l, nil
}

// plain returns a message without arguments.
func (l *Language) plain(m Message) string { return l.Text(m) }

// Text says a message. Its arguments follow by name and value: strings, numbers,
// other messages, or whatever has a String method. What is no message is said as
// it is.
func (l *Language) Text(m Message, args ...any) string {
	var b strings.Builder
	(&writer{Builder: &b, language: l, args: args}).write(l.find(m))
	return b.String()
}

// HTML says a message with its elements. Arguments may be HTML; strings are
// isolated from the direction of the text around them.
func (l *Language) HTML(m Message, args ...any) template.HTML {
	var b strings.Builder
	(&writer{Builder: &b, language: l, args: args, html: true}).write(l.find(m))
	return template.HTML(b.String())
}

func (l *Language) find(m Message) parts {
	if found, ok := l.messages[m]; ok {
		return found
	}
	if parsed, err := parse(string(m)); err == nil {
		return parsed
	}
	return parts{literal(m)}
}
