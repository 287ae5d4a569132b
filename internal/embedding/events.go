package embedding

import (
	"context"
	"strconv"
	"time"

	"github.com/listhook/webhook"
)

// An importedRow is a line of a file that an admin uploads.
type importedRow struct {
	Email      string
	Attributes map[string]any // as the file has them
}

func (a *app) importRows(ctx context.Context, list int64, rows []importedRow) error {
	tx, err := a.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	var events []webhook.Event
	for _, row := range rows {
		var id int64
		err := tx.QueryRowContext(ctx, `insert into subscribers (email) values ($1) returning id`, row.Email).Scan(&id)
		if err != nil {
			return err
		}
		fields, _ := webhook.FieldsOf(row.Attributes)
		events = append(events, webhook.Subscribe{
			Meta: webhook.Meta{Lists: []string{strconv.FormatInt(list, 10)}, Source: webhook.SourceAdmin},
			Subscriber: webhook.Subscriber{
				ID: strconv.FormatInt(id, 10), Email: row.Email, Fields: fields,
			},
		})
	}
	if err := a.emitTx(ctx, tx, events...); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	a.hooks.Wake()
	return nil
}

// A returnedMail is what a mail server or a mailing service reports.
type returnedMail struct {
	ID       int64
	Kind     string // hard, soft or complaint
	Code     string
	Text     string
	Person   webhook.Subscriber
	Lists    []string          // of the campaign; of a complaint, all that the person was on
	Campaign *webhook.Campaign // nil: of a transactional mail, or not known
}

func returned(mail returnedMail) webhook.Event {
	m := webhook.Meta{
		ID:     "returned-" + strconv.FormatInt(mail.ID, 10), // a report that comes twice is delivered once
		Lists:  mail.Lists,                                   // without them only webhooks of every list get it
		Source: webhook.SourceSystem,
	}
	if mail.Kind == "complaint" { // for the receiver it is somebody who wants no more mail
		return webhook.Unsubscribe{
			Meta: m, Subscriber: mail.Person, Campaign: mail.Campaign,
			Details: webhook.UnsubscribeDetails{Reason: "complaint"},
		}
	}
	e := webhook.Bounce{
		Meta: m, Subscriber: mail.Person,
		Details: webhook.BounceDetails{Type: webhook.BounceType(mail.Kind), Code: mail.Code, Description: mail.Text},
	}
	if mail.Campaign != nil {
		e.Campaign = *mail.Campaign
	}
	return e
}

// An erasureRequest is a row of the app's: somebody asked to be forgotten.
type erasureRequest struct {
	Subscriber, Email string
	Requested         time.Time
}

func (a *app) forget(ctx context.Context, r erasureRequest) error {
	// The app has deleted its own rows, and emitted an Unsubscribe in that transaction.
	_, err := a.hooks.EraseSubscriber(ctx, "", r.Subscriber, r.Email, &webhook.EraseOptions{
		DeliverUntil: r.Requested.Add(48 * time.Hour),
	})
	if err != nil {
		return err // the request stays, and is carried out at the next start
	}
	_, err = a.db.ExecContext(ctx, `delete from erasure_requests where subscriber = $1`, r.Subscriber)
	return err
}
