package storetest

import "github.com/listhook/webhook"

var leavingFaults = []fault{
	{name: "ignores LeaveLine", fails: "line_goes_on_when_its_first_leaves", inject: afterChange(func(was webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
		if c.LeaveLine {
			d.PassedOver = was.PassedOver
		}
	})},
	{name: "keeps the place of one that leaves", fails: "line_goes_on_when_its_first_leaves", inject: staysInLine(func(_ webhook.Delivery, c webhook.Change) bool {
		return c.LeaveLine
	})},
	{name: "erases what leaves", fails: "line_goes_on_when_its_first_leaves", inject: afterChange(func(_ webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
		if c.LeaveLine {
			d.Body = nil
		}
	})},
	{name: "loses the Key of one that leaves", fails: "line_goes_on_when_its_first_leaves", inject: afterChange(func(_ webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
		if c.LeaveLine {
			d.Key, d.PassedOver = "", false
		}
	})},
	{name: "sets PassedOver of one without a Key", fails: passedOver, inject: afterChange(func(_ webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
		d.PassedOver = d.PassedOver || c.LeaveLine
	})},
	{name: "forgets PassedOver at a claim", fails: passedOver, inject: func(p *plain) {
		p.lease = func(d *webhook.Delivery, c webhook.Claim) {
			d.Lease++
			d.Due, d.PassedOver = c.Until, false
		}
	}},
	{name: "forgets PassedOver at a retry", fails: passedOver, inject: passedOverWhen(func(was webhook.Delivery, c webhook.Change) bool {
		return was.State != webhook.StatePending || c.State != webhook.StatePending
	})},
	{name: "forgets PassedOver at the end", fails: passedOver, inject: passedOverWhen(func(_ webhook.Delivery, c webhook.Change) bool {
		return c.State == webhook.StatePending
	})},
	{name: "forgets PassedOver at a change after the end", fails: passedOver, inject: passedOverWhen(func(was webhook.Delivery, _ webhook.Change) bool {
		return was.State == webhook.StatePending
	})},
	{name: "has one join that becomes pending with LeaveLine", fails: passedOver, inject: afterChange(func(was webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
		if was.State != webhook.StatePending && c.State == webhook.StatePending {
			d.PassedOver = false
		}
	})},
	{name: "has none join again that was passed over", fails: passedOver, inject: afterChange(func(was webhook.Delivery, d *webhook.Delivery, _ webhook.Change) {
		d.PassedOver = d.PassedOver || was.PassedOver && d.Key != ""
	})},
	{name: "keeps PassedOver of one that is erased", fails: passedOver, inject: afterChange(func(was webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
		d.PassedOver = d.PassedOver || was.PassedOver && c.Erase
	})},
	{name: "shows twice what left a line", fails: "queries_show_once_what_leaves_a_line",
		inject: fromDeliveries(func(*webhook.DeliveryQuery) {}, func(_ webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			for _, d := range ds {
				if (d.PassedOver || d.Key == "" && !d.Joined.IsZero()) && d.Lease == 1 {
					ds = append(ds, d)
				}
			}
			return ds
		})},
}

const passedOver = "line_of_one_that_was_passed_over"

// passedOverWhen breaks a store: a delivery stays PassedOver only through these changes.
func passedOverWhen(stays func(was webhook.Delivery, c webhook.Change) bool) func(*plain) {
	return afterChange(func(was webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
		if was.PassedOver && !c.LeaveLine && !stays(was, c) {
			d.PassedOver = false
		}
	})
}
