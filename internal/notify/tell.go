package notify

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
)

// letter is what one person is to be told.
type letter struct {
	user  uuid.UUID
	event Event
	to    Audience
	about uuid.UUID
	order uuid.NullUUID
	trip  uuid.NullUUID
	facts facts
	text  string // as it stands, where nothing is to be written of the facts
}

// some returns an id that may be none.
func some(id uuid.UUID) uuid.NullUUID { return uuid.NullUUID{UUID: id, Valid: id != uuid.Nil} }

// letters returns what the people of a ride are told, each as a part says. about names
// which time it was.
func (s *Service) letters(ctx context.Context, r Ride, parts []part, about uuid.UUID) (all []letter, err error) {
	for _, p := range parts {
		users, err := s.recipients(ctx, r, p.to)
		if err != nil {
			return nil, err
		}
		for _, user := range users {
			all = append(all, letter{
				user: user, event: p.as, to: p.to, about: about, order: some(r.OrderID), trip: some(r.TripID), facts: r.facts(),
			})
		}
	}
	return all, nil
}

// recipients returns whom an audience of the ride consists of.
func (s *Service) recipients(ctx context.Context, r Ride, to Audience) ([]uuid.UUID, error) {
	switch {
	case to == ToRider:
		return []uuid.UUID{r.RiderID}, nil
	case to == ToDriver && r.DriverID != uuid.Nil:
		return []uuid.UUID{r.DriverID}, nil
	case to == ToOthers && r.Shared:
		return s.deps.Rides.Sharing(ctx, r.OrderID)
	}
	return nil, nil
}

// notices writes letters as their receivers read them.
func (s *Service) notices(ctx context.Context, letters []letter) ([]Notice, error) {
	users := make([]uuid.UUID, len(letters))
	for i, l := range letters {
		users[i] = l.user
	}
	people, err := s.deps.People.Contacts(ctx, users...)
	if err != nil {
		return nil, err
	}
	now, all := s.deps.Clock.Now(), make([]Notice, len(letters))
	for i, l := range letters {
		to := people[l.user]
		n := Notice{
			ID: uuid.Must(uuid.NewV7()), UserID: l.user, Event: l.event, AboutID: l.about, OrderID: l.order, TripID: l.trip,
			Text: l.text, Hidden: to.NoInbox, CreatedAt: now,
		}
		if n.Text == "" {
			n.Text = write(s.lang(to), sentence(l.event, l.to), l.facts, now, s.deps.Zone)
		}
		if worthSMS(l.event, l.to) {
			n.SMS = to.fate()
		}
		if n.SMS != Waiting {
			n.SettledAt = &now
		}
		all[i] = n
	}
	return all, nil
}

// lang returns the language in which a person is told.
func (s *Service) lang(to Contact) Lang {
	for _, l := range []Lang{to.Lang, s.deps.Lang} {
		if l != "" {
			return l
		}
	}
	return English
}

// fate returns what becomes of an SMS to the person, as far as they say.
func (c Contact) fate() Fate {
	switch {
	case c.NoSMS:
		return OptedOut
	case c.Phone == "":
		return NoNumber
	}
	return Waiting
}

// deliver ends a job with the letters that it is to send: notices in one insert, and a
// job for each SMS that goes with one that is new, all of them in another.
func (s *Service) deliver(ctx context.Context, a *jobs.Attempt, letters []letter) error {
	return s.post(ctx, a.DoneTogether, s.deps.Jobs.Dispatch, letters)
}

// deliverInBatch is deliver for a job whose batch is to end when the SMS have.
func (s *Service) deliverInBatch(ctx context.Context, a *jobs.Attempt, letters []letter) error {
	return s.post(ctx, a.Done, func(tx *db.Tx, texts ...jobs.Job) error {
		members := make([]jobs.Member, len(texts))
		for i, t := range texts {
			members[i] = t
		}
		_, err := a.Add(tx, members...)
		return err
	}, letters)
}

func (s *Service) post(ctx context.Context, done func(context.Context, func(*db.Tx) error) error,
	ask func(*db.Tx, ...jobs.Job) error, letters []letter) error {
	if len(letters) == 0 {
		return nil
	}
	notices, err := s.notices(ctx, letters)
	if err != nil {
		return err
	}
	happens := make(map[uuid.UUID]time.Time, len(letters))
	for i, n := range notices {
		happens[n.ID] = letters[i].facts.At
	}
	return done(ctx, func(tx *db.Tx) error {
		fresh, err := s.put(ctx, tx, notices)
		if err != nil {
			return err
		}
		var texts []jobs.Job
		for _, n := range fresh {
			if n.SMS == Waiting {
				texts = append(texts, smsKind.New(smsArgs{n.ID, n.UserID, happens[n.ID]}))
			}
		}
		return ask(tx, texts...)
	})
}

// put writes notices, has open pages look for them, and returns those that are new:
// one about the same event of the same thing, to the same person, stays as it is.
func (s *Service) put(ctx context.Context, tx *db.Tx, notices []Notice) (fresh []Notice, err error) {
	if len(notices) == 0 {
		return nil, nil
	}
	if fresh, err = insert(tx, notices); err != nil {
		return nil, err
	}
	for _, n := range fresh {
		if topic := UserTopic(n.UserID); !n.Hidden {
			tx.After(func() { s.deps.Hub.Publish(ctx, topic) })
		}
	}
	return fresh, nil
}

// insert writes notices and returns those that are new.
func insert(tx *db.Tx, notices []Notice) ([]Notice, error) {
	err := tx.Create(&notices).Error
	if !errors.Is(err, db.ErrDuplicate) {
		return notices, err
	}
	var fresh []Notice
	for _, n := range notices {
		switch err := tx.Create(&n).Error; {
		case err == nil:
			fresh = append(fresh, n)
		case !errors.Is(err, db.ErrDuplicate):
			return nil, err
		}
	}
	return fresh, nil
}
