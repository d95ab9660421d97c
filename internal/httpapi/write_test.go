package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/account"
	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
)

func TestRepeatedRequestGetsTheSameAnswer(t *testing.T) {
	w := newWorld(t)
	driver, rider := w.user(account.Driver), w.user(account.Rider)
	cancel := "/v1/orders/" + w.order(rider).ID.String() + "/cancel"
	for _, c := range []struct {
		who  user
		path string
		body any
	}{
		{driver, "/v1/trips", tripBody()},
		{rider, "/v1/orders", orderBody()},
		{rider, "/v1/quotes", orderBody()},
		{rider, cancel, nil},
		{nobody, "/v1/auth/codes", object{"phone": w.phone()}},
	} {
		t.Run(c.path, func(t *testing.T) {
			key := header{"Idempotency-Key": uuid.NewString()}
			first := w.do(c.who, "POST", c.path, c.body, key)
			if first.Code >= 300 || first.Header().Get("Idempotency-Replayed") != "" {
				t.Fatalf("first: %d %s", first.Code, first.Body)
			}
			before := w.counts(t)
			again := w.do(c.who, "POST", c.path, c.body, key).is(first.Code)
			if !bytes.Equal(first.Body.Bytes(), again.Body.Bytes()) {
				t.Errorf("first %s\nthen %s", first.Body, again.Body)
			}
			for _, name := range []string{"Location", "Content-Type"} {
				if first.Header().Get(name) != again.Header().Get(name) {
					t.Errorf("%s is %q, then %q", name, first.Header().Get(name), again.Header().Get(name))
				}
			}
			if again.Header().Get("Idempotency-Replayed") != "true" {
				t.Error("it does not say that it was replayed")
			}
			if after := w.counts(t); !maps.Equal(before, after) {
				t.Errorf("rows before %v, after %v", before, after)
			}
		})
	}
}

func TestKeyStandsForOneRequestOfOneUser(t *testing.T) {
	w := newWorld(t)
	rider, other := w.user(account.Rider), w.user(account.Rider)
	key := header{"Idempotency-Key": "mine"}
	first := into[orderOut](w.do(rider, "POST", "/v1/orders", orderBody(), key).is(http.StatusAccepted))
	before := w.counts(t)
	w.do(rider, "POST", "/v1/orders", with(orderBody(), "seats", 2), key).refused(invalidStatus, "idempotency_key_reused")
	w.do(rider, "POST", "/v1/quotes", orderBody(), key).refused(invalidStatus, "idempotency_key_reused")
	if after := w.counts(t); !maps.Equal(before, after) {
		t.Errorf("rows before %v, after %v", before, after)
	}
	theirs := w.do(other, "POST", "/v1/orders", orderBody(), key).is(http.StatusAccepted)
	if o := into[orderOut](theirs); o.ID == first.ID || o.RiderID != other.ID || theirs.Header().Get("Idempotency-Replayed") != "" {
		t.Errorf("another user's key: %+v", o)
	}
	if second := w.order(rider); second.ID == first.ID {
		t.Error("without a key the order was not a new one")
	}
}

func TestRefusedRequestLeavesItsKeyFree(t *testing.T) {
	w := newWorld(t)
	rider, key := w.user(account.Rider), header{"Idempotency-Key": "again"}
	w.do(rider, "POST", "/v1/orders", with(orderBody(), "seats", 99), key).refused(invalidStatus, "seats_out_of_range")
	w.do(rider, "POST", "/v1/orders", orderBody(), key).is(http.StatusAccepted)
}

// TestTwinsAreOneOrder sends the same order twenty times at once.
func TestTwinsAreOneOrder(t *testing.T) {
	w := newWorld(t)
	rider, key := w.user(account.Rider), header{"Idempotency-Key": "twins"}
	const twins = 20
	answers := make([]answer, twins)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range twins {
		wg.Go(func() {
			<-start
			answers[i] = w.do(rider, "POST", "/v1/orders", orderBody(), key)
		})
	}
	close(start)
	wg.Wait()
	fresh := 0
	for _, a := range answers {
		if a.Code != http.StatusAccepted || a.Body.String() != answers[0].Body.String() {
			t.Errorf("%d %s", a.Code, a.Body)
		}
		if a.Header().Get("Idempotency-Replayed") == "" {
			fresh++
		}
	}
	if n := w.counts(t); fresh != 1 || n["orders"] != 1 || n["payments"] != 1 || n["flows"] != 1 || n["idempotency_keys"] != 1 {
		t.Errorf("%d answers were the first one; rows %v", fresh, n)
	}
}

// TestRiderCannotOrderTooManyAtOnce has a rider order more than allowed at once.
func TestRiderCannotOrderTooManyAtOnce(t *testing.T) {
	w := newWorld(t)
	rider := w.user(account.Rider)
	start := make(chan struct{})
	codes := make(chan int, 10)
	for range cap(codes) {
		go func() {
			<-start
			codes <- w.do(rider, "POST", "/v1/orders", orderBody()).Code
		}()
	}
	close(start)
	got := map[int]int{}
	for range cap(codes) {
		got[<-codes]++
	}
	if got[http.StatusAccepted] != maxOrders || got[http.StatusConflict] != cap(codes)-maxOrders {
		t.Errorf("statuses %v", got)
	}
}

func TestOldKeysAreForgotten(t *testing.T) {
	now := clock.NewFake(time.Now())
	w := newWorld(t, func(d *Deps) { d.Clock = now })
	rider := w.user(account.Rider)
	quote := func(key string) answer {
		return w.do(rider, "POST", "/v1/quotes", orderBody(), header{"Idempotency-Key": key}).is(http.StatusOK)
	}
	quote("old")
	now.Advance(23 * time.Hour)
	quote("young")
	now.Advance(time.Hour + time.Second)
	periodic := w.api.RegisterPrune(w.Registry)
	w.Dispatch(periodic.Job(now.Now()))
	w.Work("low")
	w.Await("the old key is forgotten", func() bool { return w.counts(t)["idempotency_keys"] == 1 })
	if quote("young").Header().Get("Idempotency-Replayed") != "true" {
		t.Error("the young key was forgotten")
	}
	if quote("old").Header().Get("Idempotency-Replayed") != "" {
		t.Error("the old key was not forgotten")
	}
}

// TestPruningGoesInChunks forgets more keys than one transaction deletes.
func TestPruningGoesInChunks(t *testing.T) {
	w := newWorld(t)
	old := w.api.Clock.Now().Add(-48 * time.Hour)
	rows := make([]keyRow, 2*pruneChunk+1)
	for i := range rows {
		rows[i] = keyRow{Scope: "anonymous", IdemKey: uuid.NewString(), CreatedAt: old.Add(time.Duration(i) * time.Millisecond)}
	}
	rows[len(rows)-1].CreatedAt = w.api.Clock.Now()
	if err := w.DB.Tx(t.Context(), func(tx *db.Tx) error { return tx.CreateInBatches(rows, 500).Error }); err != nil {
		t.Fatal(err)
	}
	if err := w.api.pruneKeys(t.Context(), w.api.Clock.Now().Add(-keepKeys)); err != nil {
		t.Fatal(err)
	}
	if n := w.counts(t)["idempotency_keys"]; n != 1 {
		t.Errorf("%d keys are left", n)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.api.pruneKeys(over, w.api.Clock.Now()); !errors.Is(err, context.Canceled) {
		t.Errorf("with its context over: %v", err)
	}
}

// brokenBody ends before it should.
type brokenBody struct{ io.Reader }

func (b brokenBody) Read(p []byte) (int, error) {
	if n, err := b.Reader.Read(p); err == nil {
		return n, nil
	}
	return 0, io.ErrUnexpectedEOF
}

func TestBrokenBodyIsRefused(t *testing.T) {
	w := newWorld(t)
	req := w.user(account.Rider).request("POST", "/v1/orders", "")
	req.Body = io.NopCloser(brokenBody{strings.NewReader(`{"seats":`)})
	w.send(req).refused(malformedStatus, "body_unreadable")
}
