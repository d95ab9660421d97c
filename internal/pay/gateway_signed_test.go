package pay

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/fault"
)

// What stands beside a 200 is read where it has a meaning only: in the answer to a hold.
func TestASignedServiceMayAnswerInAnyWords(t *testing.T) {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "OK") }))
	t.Cleanup(service.Close)
	g := signedAt(t, service.URL, clock.System{})
	o := newOrderMoney(900)
	wantNil(t, "void", g.Void(t.Context(), o.void, o.r, ""))
	wantNil(t, "capture", g.Capture(t.Context(), o.capture, "h-1", 600))
	wantNil(t, "refund", g.Refund(t.Context(), o.giveBack, "h-1", 600))
	wantNil(t, "payout", g.Payout(t.Context(), Remittance{Key: payoutPosting(uuid.New()), Driver: uuid.New(), Amount: 480}))
	if ref, err := g.Hold(t.Context(), o.r); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("held as %q, %v", ref, err)
	}
}
