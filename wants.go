package webhook

import "context"

// wants reports whether a webhook of the account wants events of a type and a source,
// in some list, and whether the cache could tell without a call of the store.
func (c *webhookCache) wants(account string, t EventType, source Source) (wants, known bool) {
	c.mu.RLock()
	a := c.accounts[account]
	due := false
	if known = a != nil && a.usable() && c.fresh(); known {
		wants, due = a.wanted[interest{t, source}] > 0, a.due()
	}
	c.mu.RUnlock()
	if due {
		c.readSoon(account)
	}
	return wants, known
}

// learn has the cache know an account, as it is now.
func (c *webhookCache) learn(ctx context.Context, account string) error {
	if err := c.refresh(ctx); err != nil {
		return err
	}
	c.mu.RLock()
	a := c.accounts[account]
	known := a != nil && a.usable()
	c.mu.RUnlock()
	if known {
		return nil
	}
	_, err := c.load(ctx, account)
	return err
}
