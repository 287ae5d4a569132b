package page

import (
	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/sentence"
)

func (p *pageRequest) speaker() sentence.Speaker {
	return sentence.Speaker{Lang: p.lang, Catalogue: p.Catalogue()}
}

// reason says why an attempt failed.
func (p *pageRequest) reason(a webhook.Attempt) string { return p.speaker().Reason(a) }

// sentence says a sentence of the library's.
func (p *pageRequest) sentence(english string) string { return p.speaker().Sentence(english) }

// problem says what is wrong with a field. rawURL is the URL that was typed.
func (p *pageRequest) problem(e *webhook.InvalidError, rawURL string) string {
	return p.speaker().Problem(e, rawURL)
}
