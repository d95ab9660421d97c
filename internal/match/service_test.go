package match

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/db/dbtest"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
	"github.com/spotpool/spotpool/internal/trip"
)

// world is matching over real trips and a simple book of orders.
type world struct {
	*Service
	t     *testing.T
	db    *db.DB
	clock *clock.Fake
	trips *trip.Service
	book  *book
	waker *waker
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, db: dbtest.Open(t), clock: clock.NewFake(noon), waker: &waker{}}
	w.trips = trip.NewService(w.db, &jobstest.Recorder{}, w.clock, trip.Config{Travel: minutes{}})
	w.book = newBook(w)
	w.Service = w.worker()
	return w
}

// worker returns the service of one more worker, with a board of its own.
func (w *world) worker() *Service {
	log := slog.New(slog.DiscardHandler)
	return NewService(Deps{
		Board: NewBoard(w.trips, minutes{}, w.clock, log), Trips: w.trips, Orders: w.book, Queue: w.waker, Clock: w.clock, Log: log,
	})
}

func (w *world) tx(fn func(tx *db.Tx) error) {
	w.t.Helper()
	if err := w.db.Tx(w.t.Context(), fn); err != nil {
		w.t.Fatal(err)
	}
}

// offered is a trip of four seats along the street that leaves ten minutes after noon.
func (w *world) offered() (t trip.Trip) {
	w.t.Helper()
	detour := time.Duration(0)
	w.tx(func(tx *db.Tx) (err error) {
		t, err = w.trips.Offer(tx, trip.Offer{
			DriverID: uuid.New(), Origin: mark(0), Dest: new(mark(30)), DepartAt: at(10), Seats: 4, MaxDetour: &detour,
		})
		return err
	})
	return t
}

func (w *world) stored(id uuid.UUID) trip.Trip {
	w.t.Helper()
	t, err := w.trips.Get(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return t
}

type waker struct {
	jobstest.Recorder
	mu    sync.Mutex
	woken []uuid.UUID
}

func (w *waker) Wake(_ context.Context, ids ...uuid.UUID) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.woken = append(w.woken, ids...)
	return len(ids), nil
}

func (w *waker) WakeIn(_ *db.Tx, ids ...uuid.UUID) (int, error) {
	return w.Wake(context.Background(), ids...)
}

// book keeps requests in memory, and in the database which of them were placed.
type book struct {
	db       *db.DB
	mu       sync.Mutex
	requests map[uuid.UUID]Request
	told     map[uuid.UUID]bool
	asked    geo.Box
}

func newBook(w *world) *book {
	w.tx(func(tx *db.Tx) error {
		return tx.Exec("CREATE TABLE placed (order_id CHAR(36) NOT NULL PRIMARY KEY, trip_id CHAR(36) NOT NULL)").Error
	})
	return &book{db: w.db, requests: map[uuid.UUID]Request{}, told: map[uuid.UUID]bool{}}
}

func (b *book) add(r Request) uuid.UUID {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests[r.OrderID] = r
	return r.OrderID
}

func (b *book) Request(ctx context.Context, id uuid.UUID) (Request, bool, error) {
	var placed int64
	err := b.db.Read(ctx).Table("placed").Where("order_id = ?", id).Count(&placed).Error
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.requests[id], placed == 0, err
}

func (b *book) Matched(tx *db.Tx, orderID, tripID uuid.UUID, _, _ time.Time) error {
	err := tx.Exec("INSERT INTO placed (order_id, trip_id) VALUES (?, ?)", orderID, tripID).Error
	if errors.Is(err, db.ErrDuplicate) {
		return errNotThere
	}
	return err
}

func (b *book) Waiting(ctx context.Context, near geo.Box, limit int) (found []Request, err error) {
	placed, err := b.trips(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = near
	for _, r := range b.requests {
		if _, ok := placed[r.OrderID]; !ok && near.Contains(r.Origin.Point) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b Request) int { return a.Latest.Compare(b.Latest) })
	return found[:min(limit, len(found))], err
}

func (b *book) Untold(ctx context.Context, limit int) (ids []uuid.UUID, err error) {
	placed, err := b.trips(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	for id := range placed {
		if !b.told[id] {
			ids = append(ids, id)
		}
	}
	return ids, err
}

func (b *book) Moved(tx *db.Tx, m Move) error {
	b.mu.Lock()
	stays := b.told[m.Order] && !m.Told
	b.mu.Unlock()
	n, err := tx.Change("UPDATE placed SET trip_id = ? WHERE order_id = ? AND trip_id = ?", m.To, m.Order, m.From)
	if err == nil && (n == 0 || stays) {
		err = errNotThere
	}
	return err
}

var errNotThere = fault.New(fault.Conflict, "order_moved", "the order is not where it was")

// tell has an order's people told of its trip.
func (b *book) tell(id uuid.UUID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told[id] = true
}

// trips returns the trips of the orders that were placed.
func (b *book) trips(ctx context.Context) (map[uuid.UUID]uuid.UUID, error) {
	var rows []struct{ OrderID, TripID uuid.UUID }
	err := b.db.Read(ctx).Raw("SELECT order_id, trip_id FROM placed").Scan(&rows).Error
	trips := map[uuid.UUID]uuid.UUID{}
	for _, r := range rows {
		trips[r.OrderID] = r.TripID
	}
	return trips, err
}

func (b *book) placed(t *testing.T) (ids []uuid.UUID) {
	t.Helper()
	if err := b.db.Read(t.Context()).Raw("SELECT order_id FROM placed").Scan(&ids).Error; err != nil {
		t.Fatal(err)
	}
	return ids
}

func TestPlace(t *testing.T) {
	w := newWorld(t)
	offered, order := w.offered(), w.book.add(ask(5, 25, 2, 0, 60))
	if err := w.place(t.Context(), order, w.db.Tx); err != nil {
		t.Fatal(err)
	}
	got := w.stored(offered.ID)
	if got.SeatsLeft != 2 || got.Version != 2 || !slices.Equal(got.Plan.Orders(), []uuid.UUID{order}) {
		t.Errorf("stored %+v", got)
	}
	if placed := w.book.placed(t); !slices.Equal(placed, []uuid.UUID{order}) {
		t.Errorf("placed %v", placed)
	}
	if seen := w.board.versions[offered.ID]; seen != 2 {
		t.Errorf("the board has seen version %d, want 2", seen)
	}
	nothing := func(context.Context, func(*db.Tx) error) error { return errors.New("committed again") }
	if err := w.place(t.Context(), order, nothing); err != nil {
		t.Errorf("an order that was placed already: %v", err)
	}
}

func TestPlaceWithoutATrip(t *testing.T) {
	w := newWorld(t)
	order := w.book.add(ask(5, 25, 2, 0, 60))
	if err := w.place(t.Context(), order, w.db.Tx); !putOff(err) {
		t.Errorf("without a trip: %v", err)
	}
}

// putOff reports whether an order is to look again by itself, in half a minute.
func putOff(err error) bool { return err != nil && err.Error() == "released for 30s: no trip yet" }

func TestPlaceAfterALostRace(t *testing.T) {
	w := newWorld(t)
	offered := w.offered()
	if err := w.board.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Another worker puts an order on the trip, of which this board knows nothing.
	other, order := w.book.add(ask(5, 25, 2, 0, 60)), w.book.add(ask(6, 24, 2, 0, 60))
	if err := w.worker().place(t.Context(), other, w.db.Tx); err != nil {
		t.Fatal(err)
	}
	if err := w.place(t.Context(), order, w.db.Tx); err != nil {
		t.Fatal(err)
	}
	if got := w.stored(offered.ID); got.SeatsLeft != 0 || !slices.Equal(got.Plan.Orders(), []uuid.UUID{other, order}) {
		t.Errorf("stored %+v", got)
	}
	third := w.book.add(ask(5, 25, 1, 0, 60))
	if err := w.place(t.Context(), third, w.db.Tx); !putOff(err) {
		t.Errorf("a full trip: %v", err)
	}
}

func TestPlacePutsBackWhoAlwaysLoses(t *testing.T) {
	w := newWorld(t)
	w.offered()
	tries := 0
	loses := func(context.Context, func(*db.Tx) error) error {
		tries++
		return trip.ErrStale
	}
	err := w.place(t.Context(), w.book.add(ask(5, 25, 2, 0, 60)), loses)
	if err == nil || !strings.Contains(err.Error(), "others were faster") || tries != raceRounds {
		t.Errorf("%v after %d tries", err, tries)
	}
}

func TestPlaceReturnsOtherErrors(t *testing.T) {
	w := newWorld(t)
	w.offered()
	order := w.book.add(ask(5, 25, 2, 0, 60))
	broken := func(context.Context, func(*db.Tx) error) error { return jobs.ErrSuperseded }
	if err := w.place(t.Context(), order, broken); !errors.Is(err, jobs.ErrSuperseded) {
		t.Errorf("got %v", err)
	}
}

// An order that a decision puts on a trip while it is being placed looks again at
// once, and finds that it has one.
func TestPlaceAfterADecision(t *testing.T) {
	w := newWorld(t)
	offered, order := w.offered(), w.book.add(ask(5, 25, 2, 0, 60))
	decided := func(ctx context.Context, fn func(*db.Tx) error) error {
		w.tx(func(tx *db.Tx) error { return w.book.Matched(tx, order, offered.ID, at(15), at(35)) })
		return w.db.Tx(ctx, fn)
	}
	if after, ok := jobs.Released(w.place(t.Context(), order, decided)); !ok || after != 0 {
		t.Errorf("released %v for %v", ok, after)
	}
	if err := w.place(t.Context(), order, w.db.Tx); err != nil || w.stored(offered.ID).Version != 1 {
		t.Errorf("%v; %+v", err, w.stored(offered.ID))
	}
}

// Twenty orders want one seat each of a trip that has four, through four
// workers with boards of their own.
func TestNoSeatIsSoldTwice(t *testing.T) {
	w := newWorld(t)
	offered := w.offered()
	workers := []*Service{w.Service, w.worker(), w.worker(), w.worker()}
	var gate, all sync.WaitGroup
	gate.Add(1)
	for i := range 20 {
		order, worker := w.book.add(ask(5, 25, 1, 0, 60)), workers[i%len(workers)]
		all.Go(func() {
			gate.Wait()
			for range 100 {
				err := worker.place(t.Context(), order, w.db.Tx)
				switch {
				case err == nil || putOff(err):
					return
				case !strings.Contains(err.Error(), "others were faster"):
					t.Error(err)
					return
				}
			}
			t.Error("an order was put back for ever")
		})
	}
	gate.Done()
	all.Wait()

	got, placed := w.stored(offered.ID), w.book.placed(t)
	if len(placed) != 4 || got.SeatsLeft != 0 || got.Version != 5 {
		t.Errorf("%d orders placed, %d seats left, version %d; want 4, 0 and 5", len(placed), got.SeatsLeft, got.Version)
	}
	for _, id := range got.Plan.Orders() {
		if !slices.Contains(placed, id) {
			t.Errorf("order %s rides without being placed", id)
		}
	}
	for _, rule := range []func(context.Context) ([]string, error){w.trips.Oversold, w.trips.PlanOrder} {
		if found, err := rule(t.Context()); err != nil || found != nil {
			t.Errorf("audit: %q, %v", found, err)
		}
	}
}

func TestWake(t *testing.T) {
	w := newWorld(t)
	offered := w.offered()
	second, first := w.book.add(ask(5, 25, 1, 0, 60)), w.book.add(ask(5, 25, 4, 0, 50))
	w.book.add(ask(5, 25, 5, 0, 60))     // too many seats
	w.book.add(ask(25, 5, 1, 0, 200))    // the other way
	w.book.add(ask(100, 110, 1, 0, 200)) // too far up the street

	if err := w.wake(t.Context(), offered.ID); err != nil {
		t.Fatal(err)
	}
	if want := []uuid.UUID{first, second}; !slices.Equal(w.waker.woken, want) {
		t.Errorf("woke %v, want %v", w.waker.woken, want)
	}
	if !w.book.asked.Contains(offered.Origin.Point) || w.book.asked.Contains(mark(100).Point) {
		t.Errorf("asked for orders in %v", w.book.asked)
	}

	w.waker.woken = nil
	var taxi trip.Trip
	w.tx(func(tx *db.Tx) (err error) {
		taxi, err = w.trips.Offer(tx, trip.Offer{DriverID: uuid.New(), Origin: mark(0), DepartAt: at(10), Seats: 4})
		return err
	})
	if err := w.wake(t.Context(), taxi.ID); err != nil || len(w.waker.woken) != 4 {
		t.Errorf("a taxi, which goes anywhere, woke %v, %v", w.waker.woken, err)
	}

	w.waker.woken = nil
	w.clock.Advance(10 * time.Minute)
	if err := w.wake(t.Context(), offered.ID); err != nil || w.waker.woken != nil {
		t.Errorf("a trip that departed: woke %v, %v", w.waker.woken, err)
	}
	if err := w.wake(t.Context(), uuid.New()); !errors.Is(err, trip.ErrNotFound) || w.waker.woken != nil {
		t.Errorf("a trip that is not there: woke %v, %v", w.waker.woken, err)
	}
}
