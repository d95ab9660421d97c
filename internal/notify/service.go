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
	// Rides is Ride for several orders, of which it leaves out those that do not exist.
	Rides(ctx context.Context, orders ...uuid.UUID) ([]Ride, error)
	// Sharing returns the riders of the same car's other orders.
	Sharing(ctx context.Context, order uuid.UUID) ([]uuid.UUID, error)
	Departure(ctx context.Context, trip uuid.UUID) (Departure, error)

	// Upcoming returns, of up to limit orders after the one named that wait for a
	// trip or a pickup and start in the area, the riders, and the last of those
	// orders, from which to go on; Nil when there are no more.
	Upcoming(ctx context.Context, in Area, after uuid.UUID, limit int) (riders []uuid.UUID, last uuid.UUID, err error)
	// UpcomingCount returns how many orders Upcoming looks at in all.
	UpcomingCount(ctx context.Context, in Area) (int, error)
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

// People tells how people are reached; account.Service is one.
type People interface {
	// Contacts leaves out who is not known.
	Contacts(ctx context.Context, users ...uuid.UUID) (map[uuid.UUID]Contact, error)
}

// Contact is how a person is reached.
type Contact struct {
	Phone   string // in E.164 form
	Lang    Lang   // empty: any
	NoSMS   bool   // about notices; sign-in codes are sent all the same
	NoInbox bool
}

// Queue starts jobs and flows, and cancels them, in a transaction; *jobs.Client is one.
type Queue interface {
	Dispatch(tx *db.Tx, jobs ...jobs.Job) error
	Start(tx *db.Tx, s jobs.Subject, f jobs.Flow) (uuid.UUID, error)
	Cancel(tx *db.Tx, subject uuid.UUID) (bool, error)
}

// Deps is what a Service works with. Everything but Metrics and the limits must be given.
type Deps struct {
	DB         *db.DB
	Jobs       Queue
	Limiter    *jobs.Limiter
	Rides      Rides
	Statements Statements
	People     People
	SMS        []Provider // the first, and who takes its place while it is out of order
	Hub        *Hub
	Box        *seal.Box
	Clock      clock.Clock
	Zone       *time.Location // of the times in messages, and of quiet hours
	Lang       Lang           // of those who have chosen none; empty: English
	Quiet      Quiet
	Metrics    *Metrics

	// SMSPerSecond is how many SMS the providers take a second, and SMSPerDay how
	// many are paid for in any 24 hours, from all processes together; 0 means any number.
	SMSPerSecond int
	SMSPerDay    int
}

// Service writes notices and sends SMS. Its methods may be called concurrently.
type Service struct {
	deps    Deps
	senders []sender
}

// New returns a service over deps.
func New(deps Deps) *Service { return &Service{deps, sendersOf(deps.Clock, deps.SMS)} }
