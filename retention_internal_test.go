package webhook

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// However the rules overlap, each delivery is kept as the first one that holds for it
// says, or else for Retention.
func TestEachDeliveryIsKeptByOneRule(t *testing.T) {
	types := append(EventTypes(), "campaign_finished", "taken_out_of_the_catalogue")
	random := rand.New(rand.NewPCG(1, 2))
	some := func(n int) bool { return random.IntN(n) == 0 }
	for range 2000 {
		o := Options{Retention: 30 * time.Hour}
		for i := range random.IntN(6) {
			r := RetentionRule{Keep: time.Duration(i+1) * time.Hour}
			if some(5) {
				r.Keep = -1
			}
			for _, s := range finalStates {
				if some(3) {
					r.States = append(r.States, s)
				}
			}
			if some(2) {
				for range random.IntN(5) {
					r.Types = append(r.Types, types[random.IntN(len(types)-1)])
				}
			}
			o.RetentionRules = append(o.RetentionRules, r)
		}
		parts := o.prunables()
		for _, state := range finalStates {
			for _, eventType := range types {
				want := o.Retention
				if i := slices.IndexFunc(o.RetentionRules, func(r RetentionRule) bool {
					return (len(r.States) == 0 || slices.Contains(r.States, state)) && (len(r.Types) == 0 || slices.Contains(r.Types, eventType))
				}); i >= 0 {
					want = o.RetentionRules[i].Keep
				}
				var got []time.Duration
				for _, part := range parts {
					part.Before = time.Unix(1, 0)
					if part.Selects(&Delivery{State: state, Type: eventType}) {
						got = append(got, part.keep)
					}
				}
				require.Equal(t, []time.Duration{want}, got, "%s %s by %v", state, eventType, o.RetentionRules)
			}
		}
	}
	require.Len(t, (&Options{Retention: time.Hour}).prunables(), 1, "without rules all is pruned in one call")
}
