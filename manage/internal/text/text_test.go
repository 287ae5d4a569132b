package text

import (
	"html/template"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func language(t *testing.T, tag string) *Language {
	c, err := NewCatalog(nil)
	require.NoError(t, err)
	return c.Language(tag)
}

func TestDistancesInTimeAreSaidRoughly(t *testing.T) {
	for d, want := range map[time.Duration][3]string{
		0:                      {"just now", "hace un momento", "gerade eben"},
		-4 * time.Second:       {"just now", "hace un momento", "gerade eben"},
		-time.Minute:           {"1 minute ago", "hace 1 minuto", "vor 1 Minute"},
		-59 * time.Second:      {"59 seconds ago", "hace 59 segundos", "vor 59 Sekunden"},
		-47 * time.Hour:        {"47 hours ago", "hace 47 horas", "vor 47 Stunden"},
		-72 * time.Hour:        {"3 days ago", "hace 3 días", "vor 3 Tagen"},
		90 * time.Minute:       {"in 1 hour", "dentro de 1 hora", "in 1 Stunde"},
		400 * time.Millisecond: {"now", "ahora", "jetzt"},
	} {
		for i, tag := range []string{"en", "es", "de"} {
			assert.Equal(t, want[i], language(t, tag).Ago(d), d)
		}
	}
}

func TestNumbersAndTimesAreWrittenAsTheLanguageDoes(t *testing.T) {
	at := time.Date(2026, 3, 1, 18, 30, 5, 0, time.FixedZone("CET", 3600))
	for tag, want := range map[string][6]string{
		"en": {"1,234,567", "5,000 or more", "99.9%", "1.5 s", "1 Mar 2026, 18:30:05 CET", "1 Mar, 18:30 CET"},
		"es": {"1.234.567", "5.000 o más", "99,9\u00a0%", "1,5\u00a0s", "1 mar 2026, 18:30:05 CET", "1 mar, 18:30 CET"},
		"de": {"1.234.567", "5.000 oder mehr", "99,9\u00a0%", "1,5\u00a0s", "1. März 2026, 18:30:05 CET", "1. März, 18:30 CET"},
	} {
		l := language(t, tag)
		assert.Equal(t, want, [6]string{
			l.Number(1_234_567), l.Number(Number{5000, true}), l.Percent(99.9, 1), l.Took(1500 * time.Millisecond), l.Time(at), l.ShortTime(at),
		}, tag)
	}
	l := language(t, "en")
	for n, want := range map[Number]string{{}: "0", {999, false}: "999", {4999, false}: "4,999", {1, true}: "1 or more", {0, true}: "not counted"} {
		assert.Equal(t, want, l.Number(n))
	}
	assert.Equal(t, "under 1 ms", l.Took(time.Microsecond))
	assert.Equal(t, "250 ms", l.Took(250*time.Millisecond))
}

func TestPluralForms(t *testing.T) {
	forms := "{n, plural, zero {zero} one {one} two {two} few {few} many {many} other {other}}"
	c, err := NewCatalog(map[string]map[string]string{
		"ar": {"{n} pending": forms}, "pl": {"{n} pending": forms}, "ru": {"{n} pending": forms}, "cs": {"{n} pending": forms},
		"fr": {"{n} pending": forms}, "ja": {"{n} pending": forms}, "he": {"{n} pending": forms}, "sv": {"{n} pending": forms},
	})
	require.NoError(t, err)
	for tag, want := range map[string]map[any]string{
		"ar": {0: "zero", 1: "one", 2: "two", 3: "few", 110: "few", 11: "many", 100: "other", 102: "other", 1.5: "other"},
		"pl": {1: "one", 2: "few", 22: "few", 5: "many", 12: "many", 0: "many", 1.5: "other"},
		"ru": {1: "one", 21: "one", 3: "few", 11: "many", 13: "many", 100: "many"},
		"cs": {1: "one", 4: "few", 5: "other", 1.5: "many"},
		"fr": {0: "one", 1: "one", 1.5: "one", 2: "other"},
		"ja": {1: "other"}, "he": {1: "one", 2: "two", 3: "other"}, "sv": {1: "one", 2: "other"},
	} {
		for n, form := range want {
			assert.Equal(t, form, c.Language(tag).Text("{n} pending", "n", n), "%s %v", tag, n)
		}
	}
	l := language(t, "en")
	const events Message = "{n, plural, =0 {none} one {# event} other {# events}}"
	for n, want := range map[any]string{0: "none", 1: "1 event", 1200: "1,200 events", Number{1, true}: "1 or more events"} {
		assert.Equal(t, want, l.Text(events, "n", n))
	}
}

func TestHTMLEscapesEverythingButItsOwnElements(t *testing.T) {
	l := language(t, "en")
	assert.EqualValues(t, `<strong>&lt;i&gt; <bdi>&lt;script&gt;</bdi></strong> <a href="./?a=1&amp;b=&#34;">x</a> <br>`,
		l.HTML("<b><i> {name}</b> <a>x</a> {raw}", "name", "<script>", "a", `./?a=1&b="`, "raw", template.HTML("<br>")))
	assert.Equal(t, "x <i> y", l.Text("<b>x</b> <i> {name}", "name", "y"), "a text has no elements")
	assert.Equal(t, "{gone} 50% } {", l.Text("{gone} 50% } {"), "what cannot be read is said as it is")
}

func TestAnAppsTextsComeBeforeThePages(t *testing.T) {
	c, err := NewCatalog(map[string]map[string]string{
		"en":    {"Webhooks": "Hooks"},
		"de-CH": {"Settings": "Iistellige"},
		"fr":    {"{n} or more": "{n} ou plus", "12,345.6": "12 345,6"},
		"ar":    {"Save": "حفظ"},
	})
	require.NoError(t, err)
	assert.Equal(t, []string{"ar", "de", "de-ch", "en", "es", "fr"}, c.Languages())
	for _, want := range []struct {
		tag  string
		m    Message
		says string
	}{
		{"en", "Webhooks", "Hooks"}, {"en-GB", "Webhooks", "Hooks"}, {"", "Webhooks", "Hooks"}, {"ja", "Webhooks", "Hooks"},
		{"de_CH", "Settings", "Iistellige"}, {"de-CH", "Save", "Speichern"}, {"de-AT", "Settings", "Einstellungen"},
		{"fr", "Save", "Save"}, {"fr", "Webhooks", "Hooks"},
	} {
		assert.Equal(t, want.says, c.Language(want.tag).Text(want.m), want.tag)
	}
	assert.Equal(t, "12 000 ou plus", c.Language("fr-CA").Number(Number{12000, true}))
	assert.Equal(t, "rtl", c.Language("ar-EG").Dir)
	assert.Equal(t, "ltr", c.Language("de").Dir)
}

func TestATextThatCannotBeUsedIsRefused(t *testing.T) {
	for _, c := range []struct{ message, text, want string }{
		{"Sav", "x", `fr: translates "Sav", which the page does not say`},
		{"{n} pending", "x", `fr: has for "{n} pending" a text with other arguments: {}`},
		{"{n} pending", "{n} {count}", "other arguments: {count}, {n}"},
		{"{n} pending", "{n, plural, one {#}}", "no form for other"},
		{"{n} pending", "{n, plural, one #}", "a plural form has no braces"},
		{"{n} pending", "{n, select, other {#}}", "something other than plural"},
		{"{n} pending", "{n, plural, other {#}", "a brace is not closed"},
		{"{n} pending", "{n} }", "a brace closes what was not opened"},
		{"{n} pending", "{", "a brace is not followed by a name"},
		{"12,345.6", "12345", "not this number"},
		{"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec", "janv", "has not twelve months"},
	} {
		_, err := NewCatalog(map[string]map[string]string{"fr": {c.message: c.text}})
		require.ErrorContains(t, err, c.want)
		require.ErrorAs(t, err, new(*Error))
	}
}

func TestMatchReadsTheArgumentsOfASentence(t *testing.T) {
	args, ok := Match("Expired on {date}: {reason}", "Expired on 2 January 2026: a (b) c")
	assert.True(t, ok)
	assert.Equal(t, []any{"date", "2 January 2026", "reason", "a (b) c"}, args)
	_, ok = Match("Expired on {date}", "It expired on Monday")
	assert.False(t, ok)
}

func FuzzAMessageIsReadOrRefused(f *testing.F) {
	f.Add("{n, plural, one {# <b>event</b>} other {# events}} of {name}")
	f.Add("{n, plural, =1 {}")
	c, err := NewCatalog(nil)
	require.NoError(f, err)
	l := c.Language("en")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := parse(text); err == nil {
			l.HTML(Message(text), "n", 2, "name", "<x>")
		}
	})
}
