package order

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/money"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/trip"
)

// Queue starts flows and jobs; *jobs.Client is one.
type Queue interface {
	Start(tx *db.Tx, s jobs.Subject, f jobs.Flow) (uuid.UUID, error)
	Dispatch(tx *db.Tx, jobs ...jobs.Job) error
	Cancel(tx *db.Tx, subject uuid.UUID) (bool, error)
	Undo(tx *db.Tx, subject uuid.UUID) (bool, error)
	FlowOf(ctx context.Context, subject uuid.UUID) (v jobs.FlowView, ok bool, err error)
}

// Trips is what an order needs of trips.
type Trips interface {
	Get(ctx context.Context, id uuid.UUID) (trip.Trip, error)
	Load(ctx context.Context, ids ...uuid.UUID) ([]trip.Trip, error)
	Plans(ctx context.Context, ids ...uuid.UUID) (map[uuid.UUID]trip.Plan, error)
	Status(tx *db.Tx, id uuid.UUID) (trip.Status, error)
	RemoveOrder(tx *db.Tx, tripID, orderID uuid.UUID) (freed bool, err error)
	Cancel(tx *db.Tx, id, driver uuid.UUID) (trip.Trip, error)
	SetOut(tx *db.Tx, id, driver uuid.UUID) (trip.Trip, error)
	Act(tx *db.Tx, id, driver uuid.UUID, n int, a trip.Act) (t trip.Trip, again bool, err error)
	Complete(tx *db.Tx, id, driver uuid.UUID) (trip.Trip, error)
	Abandoned(ctx context.Context, limit int) ([]uuid.UUID, error)
	EndAbandoned(tx *db.Tx, id uuid.UUID) (t trip.Trip, left []uuid.UUID, err error)
}

// Payments is what an order needs of payments.
type Payments interface {
	Open(tx *db.Tx, order, rider uuid.UUID, amount money.Amount) error
}

// Riders locks a rider's row, so that a rider's orders are counted one at a time.
type Riders interface {
	Lock(tx *db.Tx, rider uuid.UUID) error
}

// Live tells open pages that something has changed.
type Live interface {
	Publish(ctx context.Context, topic string)
}

// Deps is what a Service works with.
type Deps struct {
	DB       *db.DB
	Queue    Queue
	Trips    Trips
	Payments Payments
	Riders   Riders
	Live     Live
	Clock    clock.Clock
	Config   Config
}

// Service places, cancels and reads orders. It is safe for concurrent use.
type Service struct {
	db       *db.DB
	queue    Queue
	trips    Trips
	payments Payments
	riders   Riders
	live     Live
	clock    clock.Clock
	cfg      Config
}

// New returns a service.
func New(d Deps) *Service {
	return &Service{d.DB, d.Queue, d.Trips, d.Payments, d.Riders, d.Live, d.Clock, d.Config}
}

// Place accepts an order and starts its flow, in the caller's transaction. A
// wish that breaks a rule comes back as an Invalid fault, one too many as the
// Conflict "too_many_orders".
func (s *Service) Place(tx *db.Tx, rider uuid.UUID, w Wish) (Order, error) {
	now := s.clock.Now()
	q, err := s.Quote(w.Route)
	if err != nil {
		return Order{}, err
	}
	depart, arrive, until, err := s.window(w, q, now)
	if err != nil {
		return Order{}, err
	}
	if err := s.admit(tx, rider); err != nil {
		return Order{}, err
	}
	o := Order{
		ID: uuid.Must(uuid.NewV7()), RiderID: rider, Status: Matching, Seats: w.Seats, Origin: w.Origin, Dest: w.Dest,
		DepartAfter: depart, ArriveBefore: arrive, MatchUntil: until,
		Metres: q.Metres, Duration: q.Duration, Price: q.Price, Version: 1, CreatedAt: now, ChangedAt: now,
	}
	if err := insert(tx, o); err != nil {
		return Order{}, err
	}
	if err := s.payments.Open(tx, o.ID, rider, o.Price.Solo); err != nil {
		return Order{}, err
	}
	_, err = s.queue.Start(tx, jobs.Subject{Kind: "order", ID: o.ID}, Fulfil(o.ID, o.MatchUntil))
	return o, err
}

// admit checks, under a lock, that the rider may hold another order. An order
// counts until its ride is over, or should be and has not begun.
func (s *Service) admit(tx *db.Tx, rider uuid.UUID) error {
	if err := s.riders.Lock(tx, rider); err != nil {
		return err
	}
	var n int
	err := tx.Raw(`SELECT COUNT(*) FROM orders WHERE rider_id = ? AND status IN ?
		AND (dropoff_at IS NULL OR dropoff_at > ? OR status = ?)`, rider, active, s.clock.Now(), Riding).Scan(&n).Error
	if err != nil {
		return err
	}
	if n >= s.cfg.MaxActive {
		return fault.New(fault.Conflict, "too_many_orders", "a rider may hold %d orders at a time", s.cfg.MaxActive)
	}
	return nil
}

// Cancel calls off an order in the caller's transaction: the order is cancelled
// at once and off the plan of a trip that has departed; other seats and its hold are
// given back by jobs, the hold less what a rider's late cancel costs. rider is who asks,
// Nil for an operator; someone else's order is ErrNotFound. An order that is cancelled
// already comes back as it is; one whose ride has begun, or that has expired, as
// ErrNotCancellable.
func (s *Service) Cancel(tx *db.Tx, id, rider uuid.UUID) (Order, error) {
	o, err := lock(tx, id)
	if err == nil && rider != uuid.Nil && o.RiderID != rider {
		err = ErrNotFound
	}
	if err != nil || o.Status == Cancelled {
		return o, err
	}
	if !o.Status.Can(Cancelled) {
		return o, ErrNotCancellable
	}
	on, err := s.trips.Status(tx, o.TripID.UUID)
	if err != nil {
		return o, err
	}
	reason, fee := ReasonRider, o.CancelFee(s.clock.Now())
	if rider == uuid.Nil {
		reason, fee = ReasonOperator, 0
	}
	if on == trip.Cancelled { // the driver has called off first
		fee = 0
	}
	if err := s.callOff(tx, id, reason, fee); err != nil {
		return o, err
	}
	if on == trip.Departed { // its driver is not to go to the pickup in vain until a job has run
		if err := s.freeSeats(tx, o); err != nil {
			return o, err
		}
	}
	return get(tx.DB, id)
}

// callOff cancels an order at once and has its flow undone.
func (s *Service) callOff(tx *db.Tx, id uuid.UUID, reason string, fee money.Amount) error {
	if err := s.move(tx, id, Cancelled, reason, "cancel_fee = ?", fee); err != nil {
		return err
	}
	return s.undo(tx, id)
}

// undo has the catch chain of the order's flow run, whether the flow is still
// under way, has succeeded, or was pruned since.
func (s *Service) undo(tx *db.Tx, id uuid.UUID) error {
	for _, end := range []func(*db.Tx, uuid.UUID) (bool, error){s.queue.Cancel, s.queue.Undo} {
		if done, err := end(tx, id); done || err != nil {
			return err
		}
	}
	_, err := s.queue.Start(tx, jobs.Subject{Kind: "order", ID: id}, jobs.Chain(GiveUp(id)))
	return err
}

// Get returns one order with the times of its trip's present plan, or ErrNotFound.
func (s *Service) Get(ctx context.Context, id uuid.UUID) (Order, error) {
	o, err := get(s.db.Read(ctx), id)
	if err != nil {
		return Order{}, err
	}
	orders := []Order{o}
	err = s.retime(ctx, orders)
	return orders[0], err
}

// In returns one order as the transaction sees it, or ErrNotFound.
func (s *Service) In(tx *db.Tx, id uuid.UUID) (Order, error) { return get(tx.DB, id) }

// Filter narrows a list of orders; zero fields do not.
type Filter struct {
	Rider  uuid.UUID
	Trip   uuid.UUID
	Status Status
}

// List returns up to limit orders older than the one named after, newest first;
// uuid.Nil begins with the newest.
func (s *Service) List(ctx context.Context, f Filter, after uuid.UUID, limit int) ([]Order, error) {
	orders, err := list(s.db.Read(ctx), f, after, limit)
	if err != nil {
		return nil, err
	}
	return orders, s.retime(ctx, orders)
}

// retime gives seated orders the times that their trips' plans have now: an
// order that joins a trip later may have moved them, within what was promised.
func (s *Service) retime(ctx context.Context, orders []Order) error {
	var trips []uuid.UUID
	for _, o := range orders {
		if o.Seated() {
			trips = append(trips, o.TripID.UUID)
		}
	}
	if len(trips) == 0 {
		return nil
	}
	plans, err := s.trips.Plans(ctx, trips...)
	if err != nil {
		return err
	}
	for i := range orders {
		orders[i].retime(plans[orders[i].TripID.UUID])
	}
	return nil
}

// retime gives a seated order the times that its trip's plan has now.
func (o *Order) retime(plan trip.Plan) {
	if !o.Seated() {
		return
	}
	for _, stop := range plan {
		switch {
		case stop.OrderID != o.ID:
		case stop.Kind == trip.Pickup:
			o.PickupAt = &stop.At
			if stop.State == trip.Reached {
				o.DriverHere = &stop.Reached
			}
		default:
			o.DropoffAt = &stop.At
		}
	}
}

// EventsSince returns the changes of an order after the one numbered seq, oldest first.
func (s *Service) EventsSince(ctx context.Context, id uuid.UUID, seq int) (events []Event, err error) {
	err = s.db.Read(ctx).Where("order_id = ? AND seq > ?", id, seq).Order("seq").Find(&events).Error
	return events, err
}

// move is the compare-and-set behind every change of status. set names further
// columns to set, with their values. It returns errMoved when the order is not in
// a status from which it may go to the new one.
func (s *Service) move(tx *db.Tx, id uuid.UUID, to Status, reason, set string, values ...any) error {
	now := s.clock.Now()
	if set != "" {
		set += ", "
	}
	args := append(values, to, reason, now, id, to.before())
	n, err := tx.Change("UPDATE orders SET "+set+`status = ?, reason = ?, version = version + 1, changed_at = ?
		WHERE id = ? AND status IN ?`, args...)
	if err != nil {
		return err
	}
	if n == 0 {
		return errMoved
	}
	return s.changed(tx, id, now)
}

// changed writes the change down that an order has had, and tells open pages.
func (s *Service) changed(tx *db.Tx, id uuid.UUID, at time.Time) error {
	if err := recordEvent(tx, id, at); err != nil {
		return err
	}
	ctx := context.WithoutCancel(tx.Statement.Context)
	tx.After(func() { s.live.Publish(ctx, notify.OrderTopic(id)) })
	return nil
}

// recordEvent writes down the status that the order now has.
func recordEvent(tx *db.Tx, id uuid.UUID, at time.Time) error {
	_, err := tx.Change(`INSERT INTO order_events (order_id, seq, status, reason, at)
		SELECT id, version, status, reason, ? FROM orders WHERE id = ?`, at, id)
	return err
}
