package text

import (
	"errors"
	"fmt"
	"html/template"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A message is parsed into parts.
type parts []any // literal, argument, count, choice, element

type (
	literal  string
	argument string   // {name}
	count    struct{} // # in a plural form
	choice   struct { // {name, plural, …}
		name  string
		forms map[string]parts // by category, or by "=1"
	}
	element struct { // <b>, </b>
		name   string
		closes bool
	}
)

// elements are those that a message may hold, by how they are rendered.
var elements = map[string]string{"b": "strong", "code": "code", "a": "a"}

var isElement = regexp.MustCompile(`^</?(b|code|a)>`)

// parse reads a message.
func parse(text string) (parts, error) {
	all, rest, err := parseParts(text, false)
	if err == nil && rest != "" {
		err = errors.New("a brace closes what was not opened")
	}
	return all, err
}

// parseParts reads up to the brace that closes the form, or to the end.
func parseParts(text string, inForm bool) (all parts, rest string, err error) {
	for text != "" && text[0] != '}' {
		switch at := strings.IndexAny(text, "{}#<"); {
		case at < 0:
			return append(all, literal(text)), "", nil
		case at > 0:
			all, text = append(all, literal(text[:at])), text[at:]
		case text[0] == '#' && inForm:
			all, text = append(all, count{}), text[1:]
		case text[0] == '<' && isElement.MatchString(text):
			tag := isElement.FindString(text)
			all, text = append(all, element{strings.Trim(tag, "</>"), tag[1] == '/'}), text[len(tag):]
		case text[0] == '{':
			var one any
			if one, text, err = parseArgument(text[1:]); err != nil {
				return nil, "", err
			}
			all = append(all, one)
		default: // a sign of its own
			all, text = append(all, literal(text[:1])), text[1:]
		}
	}
	return all, text, nil
}

var isName = regexp.MustCompile(`^[a-z]+$`)

// parseArgument reads what follows an opening brace.
func parseArgument(text string) (one any, rest string, err error) {
	end := strings.IndexAny(text, ",}")
	if end < 0 || !isName.MatchString(text[:end]) {
		return nil, "", errors.New("a brace is not followed by a name")
	}
	name := text[:end]
	if text[end] == '}' {
		return argument(name), text[end+1:], nil
	}
	rest, ok := strings.CutPrefix(strings.TrimSpace(text[end+1:]), "plural,")
	if !ok {
		return nil, "", fmt.Errorf("after {%s, comes something other than plural", name)
	}
	c := choice{name, map[string]parts{}}
	for rest = strings.TrimSpace(rest); rest != "" && rest[0] != '}'; rest = strings.TrimSpace(rest) {
		category, form, found := strings.Cut(rest, "{")
		if !found {
			return nil, "", errors.New("a plural form has no braces")
		}
		category = strings.TrimSpace(category)
		if c.forms[category], rest, err = parseParts(form, true); err != nil {
			return nil, "", err
		}
		if rest == "" {
			break
		}
		rest = rest[1:]
	}
	switch {
	case rest == "":
		return nil, "", errors.New("a brace is not closed")
	case c.forms["other"] == nil:
		return nil, "", fmt.Errorf("{%s, plural} has no form for other", name)
	}
	return c, rest[1:], nil
}

// arguments returns the names of the arguments.
func (all parts) arguments() map[string]bool {
	names := map[string]bool{}
	for _, one := range all {
		switch one := one.(type) {
		case argument:
			names[string(one)] = true
		case choice:
			names[one.name] = true
			for _, form := range one.forms {
				maps.Copy(names, form.arguments())
			}
		}
	}
	return names
}

// A writer says a message with arguments.
type writer struct {
	*strings.Builder
	language *Language
	args     []any
	html     bool
	counted  any // what # stands for
}

func (w *writer) write(all parts) {
	for _, one := range all {
		switch one := one.(type) {
		case literal:
			w.text(string(one))
		case argument:
			w.value(w.arg(string(one)))
		case count:
			w.value(w.counted)
		case element:
			w.element(one)
		case choice:
			inner := *w
			inner.counted = w.arg(one.name)
			inner.write(one.form(w.language, inner.counted))
		}
	}
}

// form returns the form for a number.
func (c choice) form(l *Language, value any) parts {
	n, more := numberOf(value)
	if form, ok := c.forms["="+strconv.FormatFloat(n, 'f', -1, 64)]; ok && !more {
		return form
	}
	if form, ok := c.forms[l.plural(n)]; ok && !more {
		return form
	}
	return c.forms["other"]
}

// numberOf returns a number, and whether there may be more.
func numberOf(value any) (n float64, more bool) {
	switch n := value.(type) {
	case int:
		return float64(n), false
	case int64:
		return float64(n), false
	case uint64:
		return float64(n), false
	case float64:
		return n, false
	case Number:
		return float64(n.Count), n.More
	}
	return 0, false
}

// arg returns the argument of a name; without it, the name itself.
func (w *writer) arg(name string) any {
	for i := 0; i+1 < len(w.args); i += 2 {
		if w.args[i] == name {
			return w.args[i+1]
		}
	}
	return "{" + name + "}"
}

func (w *writer) text(s string) {
	if w.html {
		s = template.HTMLEscapeString(s)
	}
	w.WriteString(s)
}

func (w *writer) value(v any) {
	switch v := v.(type) {
	case template.HTML:
		w.WriteString(string(v))
	case Message:
		w.text(w.language.Text(v))
	case int, int64, uint64, Number:
		w.text(w.language.Number(v))
	case time.Duration:
		w.text(w.language.Span(v))
	default:
		if w.html {
			w.WriteString("<bdi>" + template.HTMLEscapeString(fmt.Sprint(v)) + "</bdi>")
			return
		}
		w.WriteString(fmt.Sprint(v))
	}
}

func (w *writer) element(e element) {
	switch {
	case !w.html:
	case e.closes:
		w.WriteString("</" + elements[e.name] + ">")
	case e.name == "a":
		w.WriteString(`<a href="`)
		w.WriteString(template.HTMLEscapeString(fmt.Sprint(w.arg("a"))))
		w.WriteString(`">`)
	default:
		w.WriteString("<" + elements[e.name] + ">")
	}
}

// patterns are expressions by pattern.
var patterns sync.Map

// Match reads a text that was made of an English pattern, such as a message
// without plural forms, and returns the arguments in it.
func Match(pattern, text string) (args []any, ok bool) {
	expression, known := patterns.Load(pattern)
	if !known {
		quoted := isArgument.ReplaceAllString(regexp.QuoteMeta(pattern), "(?P<$1>.+?)")
		expression, _ = patterns.LoadOrStore(pattern, regexp.MustCompile("(?s)^"+quoted+"$"))
	}
	found := expression.(*regexp.Regexp).FindStringSubmatch(text)
	if found == nil {
		return nil, false
	}
	for i, name := range expression.(*regexp.Regexp).SubexpNames() {
		if i > 0 {
			args = append(args, name, found[i])
		}
	}
	return args, true
}

// isArgument finds arguments in a quoted pattern.
var isArgument = regexp.MustCompile(`\\{([a-z]+)\\}`)

// Has reports whether a message has an argument of a name.
func (m Message) Has(name string) bool { return strings.Contains(string(m), "{"+name+"}") }
