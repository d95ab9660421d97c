package notify

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/money"
	"github.com/spotpool/spotpool/internal/seal"
)

// Rides tells what notices say about an order or a trip, and who is about to ride.
type Rides interface {
	Ride(ctx context.Context, order uuid.UUID) (Ride, error)
	// Sharing returns the riders of the same car's other orders.
	Sharing(ctx context.Context, order uuid.UUID) ([]uuid.UUID, error)
	Departure(ctx context.Context, trip uuid.UUID) (Departure, error)

	// Upcoming returns, of up to limit orders after the one named that wait for a
	// trip or a pickup and start in the area, the riders, and the last of those
	// orders, from which to go on; Nil when there are no more.
	Upcoming(ctx context.Context, in Area, after uuid.UUID, limit int) (riders []uuid.UUID, last uuid.UUID, err error)
}

// Statements tells what became of money; pay.Service is one.
type Statements interface {
	// Figures returns what a driver's statement of a day says.
	Figures(ctx context.Context, driver uuid.UUID, day clock.Day) (rides int, total, share money.Amount, err error)
	// Charged returns what of an order's hold was charged, and whether it was taken
	// rather than left owed.
	Charged(ctx context.Context, order uuid.UUID) (held, charged money.Amount, taken bool, err error)
	// Earned returns how a settlement was shared out.
	Earned(ctx context.Context, settlement uuid.UUID) (fares, fee, share money.Amount, err error)
}

// Phones tells a person's number, in E.164 form.
type Phones interface {
	Phone(ctx context.Context, user uuid.UUID) (string, error)
}

// Queue starts jobs and flows, and cancels them, in a transaction; *jobs.Client is one.
type Queue interface {
	Dispatch(tx *db.Tx, jobs ...jobs.Job) error
	Start(tx *db.Tx, s jobs.Subject, f jobs.Flow) (uuid.UUID, error)
	Cancel(tx *db.Tx, subject uuid.UUID) (bool, error)
}

// Deps is what a Service works with. Everything but SMSPerSecond must be given.
type Deps struct {
	DB         *db.DB
	Jobs       Queue
	Limiter    *jobs.Limiter
	Rides      Rides
	Statements Statements
	Phones     Phones
	Texter     Texter
	Hub        *Hub
	Box        *seal.Box
	Clock      clock.Clock
	Zone       *time.Location // of the times in messages

	// SMSPerSecond is how many SMS the provider takes a second from all
	// processes together; 0 means any number.
	SMSPerSecond int
}

// Service writes notices and sends SMS. Its methods may be called concurrently.
type Service struct{ deps Deps }

// New returns a service over deps.
func New(deps Deps) *Service { return &Service{deps} }

// smsWindows are the limits that an SMS to user falls under. Both kinds of SMS
// share them, and one that is over any of them uses up none of the others.
func (s *Service) smsWindows(ctx context.Context, user uuid.UUID) ([]jobs.Window, error) {
	phone, err := s.deps.Phones.Phone(ctx, user)
	if err != nil {
		return nil, err
	}
	number := "sms:number:" + s.deps.Box.Digest(phone)
	windows := []jobs.Window{
		{Key: number + ":minute", Max: 1, Per: time.Minute},
		{Key: number + ":hour", Max: 5, Per: time.Hour},
		{Key: number + ":day", Max: 10, Per: 24 * time.Hour},
	}
	if n := s.deps.SMSPerSecond; n > 0 {
		windows = append(windows, jobs.Window{Key: "sms:provider", Max: n, Per: time.Second})
	}
	return windows, nil
}
