package pay

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/money"
)

// vault is a gateway that remembers, for each key, what it holds, has taken, has
// given back and has paid out.
type vault struct {
	mu    sync.Mutex
	held  map[string]money.Amount
	moved map[string]money.Amount
	calls int
	// answer, when set, replaces the answer of the n-th call, which is carried out all the same.
	answer func(call int) error
}

// newVault returns an empty one.
func newVault(answer func(call int) error) *vault {
	return &vault{held: map[string]money.Amount{}, moved: map[string]money.Amount{}, answer: answer}
}

// atFirst answers the first call with an error and all others with none.
func atFirst(err error) func(call int) error {
	return func(call int) error {
		if call == 1 {
			return err
		}
		return nil
	}
}

func (v *vault) Hold(_ context.Context, r Reservation) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.held[r.Key] = r.Amount
	return "ref " + r.Key, v.reply()
}

func (v *vault) Void(_ context.Context, _ string, r Reservation, _ string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.held, r.Key)
	return v.reply()
}

func (v *vault) Capture(_ context.Context, key, ref string, amount money.Amount) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	hold := strings.TrimPrefix(ref, "ref ")
	if _, repeated := v.moved[key]; !repeated && v.held[hold] < amount {
		return ErrDeclined
	}
	delete(v.held, hold)
	v.moved[key] = amount
	return v.reply()
}

func (v *vault) Refund(_ context.Context, key, _ string, amount money.Amount) error {
	return v.send(key, amount)
}

func (v *vault) Payout(_ context.Context, r Remittance) error {
	return v.send(r.Key, r.Amount)
}

func (v *vault) send(key string, amount money.Amount) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.moved[key] = -amount
	return v.reply()
}

// cash is what the gateway has for us: what was taken less what was sent.
func (v *vault) cash() (sum money.Amount) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, amount := range v.moved {
		sum += amount
	}
	return sum
}

func (v *vault) reply() error {
	v.calls++
	if v.answer == nil {
		return nil
	}
	return v.answer(v.calls)
}

// made returns how often the gateway was called.
func (v *vault) made() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.calls
}

func (v *vault) holds() (n int, sum money.Amount) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, a := range v.held {
		sum += a
	}
	return len(v.held), sum
}

func holdFlow(order uuid.UUID) jobs.Flow {
	return jobs.Chain(Hold(order)).Catch(Void(order))
}

func TestHoldThenVoid(t *testing.T) {
	gateway := newVault(nil)
	e := startEngine(t, gateway)
	order := open(t, e.Service, 1234)

	for range 2 { // the second time finds it held already
		if how := e.run(holdFlow(order)); how != "done" {
			t.Fatalf("hold ended %q", how)
		}
		if n, sum := gateway.holds(); n != 1 || sum != 1234 {
			t.Errorf("the gateway has %d holds of %s", n, sum)
		}
		if got := status(t, e.Service, order); got != Held {
			t.Errorf("payment is %s, want held", got)
		}
		wantClean(t, e.Service)
	}
	for range 2 {
		if how := e.run(jobs.Chain(Void(order))); how != "done" {
			t.Fatalf("void ended %q", how)
		}
		if n, _ := gateway.holds(); n != 0 {
			t.Errorf("the gateway still has %d holds", n)
		}
		if got := status(t, e.Service, order); got != Voided {
			t.Errorf("payment is %s, want voided", got)
		}
		wantClean(t, e.Service)
	}
	if gateway.calls != 2 {
		t.Errorf("the gateway was called %d times, want one hold and one void", gateway.calls)
	}
	if how := e.run(holdFlow(order)); how != "payment_closed" {
		t.Errorf("a hold after the void ended %q", how)
	}
}

func TestDeclinedHoldFailsAtOnce(t *testing.T) {
	e := startEngine(t, Sandbox{DeclinePercent: 100})
	order := open(t, e.Service, 500)
	if how := e.run(holdFlow(order)); how != "payment_declined" {
		t.Errorf("ended %q, want payment_declined", how)
	}
	if got := status(t, e.Service, order); got != None {
		t.Errorf("payment is %s, want none", got)
	}
	wantClean(t, e.Service)
}

func TestHoldOutlastsAnOutage(t *testing.T) {
	gateway := newVault(atFirst(errors.New("connection reset")))
	e := startEngine(t, gateway)
	order := open(t, e.Service, 500)
	if how := e.run(holdFlow(order)); how != "done" {
		t.Errorf("ended %q", how)
	}
	if n, _ := gateway.holds(); n != 1 {
		t.Errorf("the gateway has %d holds", n)
	}
	wantClean(t, e.Service)
}

// The gateway holds the money, but the worker never learns of it: the void must find it all the same.
func TestVoidReleasesAHoldWhoseAnswerWasLost(t *testing.T) {
	gateway := newVault(atFirst(ErrDeclined)) // or any answer that ends the flow before the hold is recorded
	e := startEngine(t, gateway)
	order := open(t, e.Service, 500)
	if how := e.run(holdFlow(order)); how != "payment_declined" {
		t.Errorf("ended %q", how)
	}
	if n, sum := gateway.holds(); n != 0 {
		t.Errorf("%s is held and forgotten", sum)
	}
	if got := status(t, e.Service, order); got != None {
		t.Errorf("payment is %s, want none", got)
	}
	wantClean(t, e.Service)
}

// overtaking is a vault before which something happens while it is asked for the first void.
type overtaking struct {
	*vault
	once      sync.Once
	meanwhile func()
}

func (o *overtaking) Void(ctx context.Context, key string, r Reservation, ref string) error {
	o.once.Do(o.meanwhile)
	return o.vault.Void(ctx, key, r, ref)
}

// A hold that is recorded while its void is under way does not stay in the books.
func TestAVoidThatAHoldOvertakesTriesAgain(t *testing.T) {
	gateway := &overtaking{vault: newVault(nil)}
	e := startEngine(t, gateway)
	order := open(t, e.Service, 500)
	gateway.meanwhile = func() {
		p, err := e.get(t.Context(), order)
		if err == nil {
			err = e.db.Tx(t.Context(), func(tx *db.Tx) error { return e.held(tx, p, "ref "+holdPosting(order)) })
		}
		if err != nil {
			t.Error(err)
		}
	}
	if how := e.run(jobs.Chain(Void(order))); how != "done" {
		t.Errorf("ended %q", how)
	}
	if got := status(t, e.Service, order); got != Voided {
		t.Errorf("payment is %s, want voided", got)
	}
	wantClean(t, e.Service)
}

func TestHoldOfAnOrderWithoutPayment(t *testing.T) {
	e := startEngine(t, Sandbox{})
	order := uuid.Must(uuid.NewV7())
	if how := e.run(jobs.Chain(Hold(order))); how != "payment_not_found" {
		t.Errorf("ended %q", how)
	}
}

func TestOneOfManyHoldsIsRecorded(t *testing.T) {
	e := startEngine(t, Sandbox{})
	order := open(t, e.Service, 700)
	p, err := e.get(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	const runs = 20
	var start, ended sync.WaitGroup
	start.Add(1)
	won := make(chan bool, runs)
	for range runs {
		ended.Go(func() {
			start.Wait()
			err := e.db.Tx(t.Context(), func(tx *db.Tx) error { return e.held(tx, p, "ref") })
			won <- err == nil
		})
	}
	start.Done()
	ended.Wait()
	close(won)
	winners := 0
	for w := range won {
		if w {
			winners++
		}
	}
	if winners != 1 {
		t.Errorf("%d runs recorded the hold", winners)
	}
	wantClean(t, e.Service)
}
