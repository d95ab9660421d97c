package match

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
)

// Live says how orders are decided as they come in. Its zero value is the instant policy.
type Live struct {
	Policy string        // Instant, Windowed or Best; "" is Instant
	Window time.Duration // in which orders gather that are then decided together
	Lock   Lock          // from when on an order stays on its trip; for Best
	Budget time.Duration // of the improvement in each decision; for Best
}

const (
	// lastMoment is when an order is not decided with others any more: its own job
	// must still come to its end, by the wall's clock, before its time is up.
	lastMoment = 2 * time.Second
	// decideLock is after how long another decision may begin when the worker dies
	// that makes one.
	decideLock = 15 * time.Second
)

func (l Live) instant() bool { return l.Policy == "" || l.Policy == Instant }

// moving is what it costs to move an order that people may have been told of. It is
// more than the driving: three of them are disturbed.
func (l Live) moving() time.Duration {
	if l.Lock == LockAtPickup {
		return 2 * time.Minute
	}
	return 0
}

// gathers reports whether an order is to be decided with others. One that does not
// have the time is placed as it comes.
func (l Live) gathers(req Request, c clock.Clock) bool {
	return !l.instant() && c.Now().Add(l.Window+clock.App(c, lastMoment)).Before(req.DecideBy)
}

// Roomier is for trip.Config: it offers a trip's free seats to those who wait. Where
// orders are decided by the window it is nil: there they are offered every trip anyway.
func (l Live) Roomier() func(trip uuid.UUID) jobs.Job {
	if l.instant() {
		return WakeWaiting
	}
	return nil
}

// await has an order decided with the others of its window. Whoever decides wakes it
// then; that it looks again by itself is for when that was lost.
func (s *Service) await(ctx context.Context) error {
	if err := s.db.Tx(ctx, s.decideNext); err != nil {
		return err
	}
	return jobs.Release(searchEvery, "to be decided with others")
}

// decideNext has the next decision made after a window, unless it is under way to be.
func (s *Service) decideNext(tx *db.Tx) error {
	return s.queue.Dispatch(tx, Decide().In(s.live.Window))
}

// decide makes one decision, and has another one made while orders wait. For all
// workers together one is made at a time: more would only lose races to each other.
// Redis may lose that lock; no decision relies on it.
func (s *Service) decide(ctx context.Context, a *jobs.Attempt, _ decideArgs) error {
	if s.live.instant() {
		return jobs.Skip("orders are decided as they come")
	}
	unlock, err := s.locks.Lock(ctx, decideKind.Name, decideLock)
	if errors.Is(err, jobs.ErrLocked) {
		return a.Done(ctx, s.decideNext)
	}
	if err != nil {
		return jobs.Release(time.Second, err.Error())
	}
	defer unlock()
	began := time.Now()
	out, err := s.pass(ctx)
	level := slog.LevelInfo
	if out.placed+out.moved+out.lost == 0 {
		level = slog.LevelDebug
	}
	s.log.Log(ctx, level, "orders decided", slog.Int("waited", out.waited), slog.Int("matched", out.placed),
		slog.Int("moved", out.moved), slog.Int("lost_races", out.lost), slog.Duration("took", time.Since(began)))
	if err != nil || out.waited == out.placed {
		return err
	}
	return a.Done(ctx, s.decideNext)
}
