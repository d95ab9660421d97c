package trip

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/notify"
)

type tripArgs struct {
	TripID uuid.UUID `json:"trip_id"`
}

func (a tripArgs) tags() []string { return []string{"trip:" + a.TripID.String()} }

// A trip that was deleted meanwhile need not depart.
var departKind = jobs.Kind[tripArgs]{
	Name: "trip:depart", Queue: "low", Tries: 10, Timeout: 10 * time.Second,
	Backoff:           jobs.Exponential(time.Second, time.Minute),
	DeleteWhenMissing: true,
	Tags:              tripArgs.tags,
}

// When several orders leave a plan at once, it is worked out once; an order that
// leaves while that is done asks for another run.
var refreshKind = jobs.Kind[tripArgs]{
	Name: "trip:refresh_plan", Queue: "match", Tries: 10, Timeout: 10 * time.Second,
	Backoff:           jobs.Exponential(100*time.Millisecond, 10*time.Second),
	DeleteWhenMissing: true,
	Unique:            func(a tripArgs) string { return a.TripID.String() },
	UntilStart:        true,
	Tags:              tripArgs.tags,
}

// Depart returns the job that closes an open trip to orders once its time of departure has come.
func Depart(tripID uuid.UUID) jobs.Job { return departKind.New(tripArgs{tripID}) }

// RefreshPlan returns the job that works out the times of a trip's plan and its
// arrival anew, and offers its free seats to those who wait.
func RefreshPlan(tripID uuid.UUID) jobs.Job { return refreshKind.New(tripArgs{tripID}) }

// Register attaches the handlers of this package's jobs.
func (s *Service) Register(r *jobs.Registry) {
	jobs.Handle(r, departKind, s.depart)
	jobs.Handle(r, refreshKind, s.refreshPlan)
	jobs.Handle(r, closeDayKind, s.closeDay)
}

func (s *Service) depart(ctx context.Context, a *jobs.Attempt, args tripArgs) error {
	t, err := s.Get(ctx, args.TripID)
	if err != nil {
		return err
	}
	if early := t.DepartAt.Sub(s.clock.Now()); early > 0 && t.Status == Open {
		return jobs.Release(early, "the trip has not departed yet")
	}
	return a.Done(ctx, func(tx *db.Tx) error { return s.markDeparted(tx, t.ID) })
}

// markDeparted moves the trip from open to departed at its time and has its riders told;
// one that has left before, or was closed, stays as it is.
func (s *Service) markDeparted(tx *db.Tx, id uuid.UUID) error {
	now := s.clock.Now()
	n, err := tx.Change(`UPDATE trips SET status = ?, version = version + 1, changed_at = ?
		WHERE id = ? AND status = ? AND depart_at <= ?`, Departed, now, id, Open, now)
	if err != nil || n == 0 {
		return err
	}
	t, err := get(tx.DB, id)
	if err != nil {
		return err
	}
	return notify.TripEvent{Trip: id, Event: notify.Departed, Orders: t.Plan.Orders()}.Tell(tx, s.queue)
}

func (s *Service) refreshPlan(ctx context.Context, a *jobs.Attempt, args tripArgs) error {
	return a.Done(ctx, func(tx *db.Tx) error {
		t, err := get(tx.Clauses(db.ForUpdate), args.TripID)
		if err != nil {
			return err
		}
		if err := s.retime(tx, t); err != nil {
			return err
		}
		return s.offerSeats(tx, t)
	})
}

// retime gives a trip the times that its plan comes to, where they are others.
func (s *Service) retime(tx *db.Tx, t Trip) error {
	next := t.Reschedule(s.cfg.Travel)
	switch t.Status {
	case Departed:
		where, at := t.lastSeen()
		next = t.from(s.cfg.Travel, where, at)
	case Open:
	default:
		return nil
	}
	same := slices.EqualFunc(t.Plan, next.Plan, func(a, b Stop) bool { return a.At.Equal(b.At) })
	if same && t.ArriveAt.Equal(next.ArriveAt) {
		return nil
	}
	if t.Status == Departed {
		_, err := s.goOn(tx, t, next)
		return err
	}
	_, err := s.save(tx, next)
	return err
}
