package page

import "github.com/listhook/webhook"

// attemptsMade counts the attempts at a delivery that was read with its log, those before
// it was sent again too: Delivery.Attempts begins anew then.
func attemptsMade(d webhook.Delivery) int {
	made := 0
	for _, a := range d.Log {
		switch a.Failure() {
		case "canceled", "given_up", "begun": // no attempt was made, or the next entry is its outcome
		default:
			made++
		}
	}
	return max(made, d.Attempts)
}
