package main

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// A browser is a tab of a real Chromium that knows what people know of a page:
// the names of its links, buttons and fields.
type browser struct {
	t   *testing.T
	ctx context.Context
}

// newBrowser starts Chromium. Without it the test is skipped, or fails if
// LISTHOOK_REQUIRE, a list of words, holds "chromium". Only this machine is
// reached.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil && slices.Contains(strings.Split(os.Getenv("LISTHOOK_REQUIRE"), ","), "chromium") {
		t.Fatal("LISTHOOK_REQUIRE asks for chromium: ", err)
	} else if err != nil {
		t.Skip("needs chromium: ", err)
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.WSURLReadTimeout(2*time.Minute),
	)...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Do(ctx), "starting Chromium")
	return &browser{t, ctx}
}

// within does something in the tab within a minute.
func within[T any](b *browser, what string, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		page, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
		b.t.Fatalf("%s: %v, on\n%s", what, err, page)
	}
	return value
}

// open loads a page.
func (b *browser) open(url string) {
	b.t.Helper()
	within(b, "opening "+url, chromedp.Navigate(url))
}

// click follows a link or presses a button by its name, then awaits a text.
func (b *browser) click(name, then string) {
	b.t.Helper()
	control := `//*[self::a or self::button][normalize-space()=` + quoted(name) + ` or @aria-label=` + quoted(name) + `]`
	within(b, "clicking "+name, chromedp.Click(control))
	within(b, "awaiting "+then+" after "+name, chromedp.WaitVisible(`//main//*[contains(normalize-space(), `+quoted(then)+`)]`))
}

// fill types into a field by its label, in place of what stood there.
func (b *browser) fill(label, text string) {
	b.t.Helper()
	within(b, "filling in "+label, chromedp.Steps(chromedp.Focus(field(label)),
		chromedp.Evaluate[chromedp.Void](`document.activeElement.select()`), chromedp.SendKeys(field(label), text)))
}

// value returns what stands in a field.
func (b *browser) value(label string) string {
	b.t.Helper()
	return within(b, "reading "+label, chromedp.Value(field(label)))
}

// read waits until an expression of JavaScript is true, then returns the value
// of another.
func read[T any](b *browser, until, expression string) T {
	b.t.Helper()
	within(b, "awaiting "+until, chromedp.Poll[chromedp.Void](until, chromedp.WithPollingTimeout(50*time.Second)))
	return within(b, "reading", chromedp.Evaluate[T](expression))
}

// field finds a field by its label, around it or beside it.
func field(label string) string {
	named := `label[starts-with(normalize-space(), ` + quoted(label) + `)]`
	return `//` + named + `//*[self::input or self::textarea] | //*[@id=//` + named + `/@for]`
}

// quoted writes a text for XPath, which escapes nothing.
func quoted(text string) string {
	if strings.Contains(text, `"`) {
		return `'` + text + `'`
	}
	return `"` + text + `"`
}
