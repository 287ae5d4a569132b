package webhook

import "github.com/listhook/webhook/internal/diagnose"

// hasAnswer reports whether a holds anything of what the receiver answered.
func (a *Attempt) hasAnswer() bool {
	return len(a.Response) > 0 || a.Detail != "" && a.quotes()
}

// dropAnswer removes what the receiver answered, but for the status.
func (a *Attempt) dropAnswer() {
	a.Response = nil
	if a.quotes() {
		a.Detail = ""
	}
}

// quotes reports whether Detail may quote the answer: its first line, or a field of its
// head.
func (a *Attempt) quotes() bool {
	switch diagnose.Code(a.Code) {
	case diagnose.CodeNotHTTP, diagnose.CodeHeadInvalid, diagnose.CodeBroken:
		return true
	}
	return a.Status != 0
}

// size returns about how many bytes an entry of the log has.
func (a *Attempt) size() (bytes int) {
	bytes = len(a.Response) + len(a.Detail)
	for _, id := range a.Members {
		bytes += len(id)
	}
	return bytes
}
