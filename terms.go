package webhook

import "slices"

// Terms returns what a Store may have an index of, in order of (term, Created, ID): texts
// for d's line, and for each of its Subjects, its Key and its Failure. See
// DeliveryQuery.Term.
func (d *Delivery) Terms() (terms []string) {
	for i, subject := range d.Subjects {
		if !slices.Contains(d.Subjects[:i], subject) {
			terms = append(terms, subjectTerm(subject))
		}
	}
	if d.Key != "" {
		terms = append(terms, keyTerm(d.Key), lineTerm(d.WebhookID, d.Key))
	}
	if d.Failure != "" {
		terms = append(terms, failureTerm(d.Failure))
	}
	return terms
}

// Term returns one of the Terms that every delivery has which q selects, the one of the
// fewest deliveries; "": there is none.
func (q DeliveryQuery) Term() string {
	switch {
	case q.Webhook != "" && q.Key != "":
		return lineTerm(q.Webhook, q.Key)
	case q.Subject != "":
		return subjectTerm(q.Subject)
	case q.Key != "":
		return keyTerm(q.Key)
	case len(q.Failures) == 1 && q.Failures[0] != "":
		return failureTerm(q.Failures[0])
	}
	return ""
}

func subjectTerm(subject string) string     { return "s" + subject }
func keyTerm(key string) string             { return "k" + key }
func lineTerm(webhookID, key string) string { return "l" + webhookID + "\x00" + key }
func failureTerm(failure string) string     { return "f" + failure }
