package pay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/money"
)

// Book is the sandbox's own record of what it has done with money, kept in the
// database because many processes call it. It holds its callers to what real gateways
// do: a repeat has no effect, a hold is captured once and not above its amount, and
// what was released stays so. GatewayAgrees compares it with our books.
//
// Its transactions are the gateway's: none of them is one of ours. A nil Book keeps nothing.
type Book struct {
	db    *db.DB
	clock clock.Clock
}

// NewBook returns the book that a database keeps.
func NewBook(d *db.DB, clk clock.Clock) *Book { return &Book{d, clk} }

// line is one thing that the sandbox has done.
type line struct {
	Op        string `gorm:"primaryKey"` // hold, void, capture, refund or payout
	Name      string `gorm:"primaryKey"` // the caller's idempotency key
	Hold      string // the key of the hold that it is about; empty for a payout
	Amount    money.Amount
	Calls     int // how often it was asked for
	CreatedAt time.Time
}

// TableName implements gorm's Tabler.
func (line) TableName() string { return "sandbox_book" }

const (
	opHold    = "hold"
	opVoid    = "void"
	opCapture = "capture"
	opRefund  = "refund"
	opPayout  = "payout"
)

func (b *Book) hold(ctx context.Context, key string, amount money.Amount) error {
	return b.enter(ctx, line{Op: opHold, Name: key, Hold: key, Amount: amount}, func(about) bool { return true })
}

// void enters a release, also of what was never held, so that a hold which comes
// later is refused. It returns ErrClosed for what was captured.
func (b *Book) void(ctx context.Context, key string) error {
	if b == nil {
		return nil
	}
	return b.db.Tx(ctx, func(tx *db.Tx) error {
		a, err := b.about(tx, key)
		if err != nil {
			return err
		}
		if a.taken() > 0 {
			return ErrClosed
		}
		l := line{Op: opVoid, Name: key, Hold: key, Amount: a.held()}
		if again, err := b.repeated(tx, l); err != nil || again {
			return err
		}
		return b.write(tx, l)
	})
}

func (b *Book) capture(ctx context.Context, key, hold string, amount money.Amount) error {
	return b.enter(ctx, line{Op: opCapture, Name: key, Hold: hold, Amount: amount},
		func(a about) bool { return a.taken() == 0 && amount <= a.held() })
}

func (b *Book) refund(ctx context.Context, key, hold string, amount money.Amount) error {
	return b.enter(ctx, line{Op: opRefund, Name: key, Hold: hold, Amount: amount},
		func(a about) bool { return amount <= a.taken()-a.sum(opRefund) })
}

func (b *Book) payout(ctx context.Context, key string, amount money.Amount) error {
	return b.enter(ctx, line{Op: opPayout, Name: key, Amount: amount}, func(about) bool { return true })
}

// enter enters a line unless it is there already. It returns ErrDeclined for what
// may not be done with its hold, or not after its release.
func (b *Book) enter(ctx context.Context, l line, may func(about) bool) error {
	if b == nil {
		return nil
	}
	return b.db.Tx(ctx, func(tx *db.Tx) error {
		var a about
		if l.Hold != "" {
			var err error
			if a, err = b.about(tx, l.Hold); err != nil {
				return err
			}
		}
		if a.has(opVoid) {
			return ErrDeclined
		}
		again, err := b.repeated(tx, l)
		if err != nil || again {
			return err
		}
		if !may(a) {
			return ErrDeclined
		}
		return b.write(tx, l)
	})
}

// repeated counts a repeat and reports whether it is one. With another amount it is none.
func (b *Book) repeated(tx *db.Tx, l line) (bool, error) {
	if n, err := tx.Change("UPDATE sandbox_book SET calls = calls + 1 WHERE op = ? AND name = ? AND amount = ?", l.Op, l.Name, l.Amount); err != nil || n > 0 {
		return n > 0, err
	}
	var other money.Amount
	err := tx.Raw("SELECT COALESCE(SUM(amount), 0) FROM sandbox_book WHERE op = ? AND name = ?", l.Op, l.Name).Scan(&other).Error
	if err == nil && other != 0 {
		err = fmt.Errorf("sandbox: %s was %s and is now %s", l.Name, other, l.Amount)
	}
	return false, err
}

func (b *Book) write(tx *db.Tx, l line) error {
	l.Calls, l.CreatedAt = 1, b.clock.Now()
	return tx.Create(&l).Error
}

// about is what was done with one hold.
type about []line

// about locks a hold, which need not exist, and returns what was done with it. The
// lock is an update of one row, which is written for the purpose.
func (b *Book) about(tx *db.Tx, hold string) (a about, err error) {
	const lock = "UPDATE sandbox_book SET calls = calls + 1 WHERE op = 'lock' AND name = ?"
	n, err := tx.Change(lock, hold)
	if err == nil && n == 0 {
		if err = b.write(tx, line{Op: "lock", Name: hold}); errors.Is(err, db.ErrDuplicate) {
			_, err = tx.Change(lock, hold)
		}
	}
	if err != nil {
		return nil, err
	}
	return a, tx.Where("hold = ?", hold).Find(&a).Error
}

func (a about) has(op string) bool {
	for _, l := range a {
		if l.Op == op {
			return true
		}
	}
	return false
}

func (a about) sum(op string) (sum money.Amount) {
	for _, l := range a {
		if l.Op == op {
			sum += l.Amount
		}
	}
	return sum
}

func (a about) held() money.Amount  { return a.sum(opHold) }
func (a about) taken() money.Amount { return a.sum(opCapture) }

// GatewayAgrees compares the sandbox's book with ours and returns a line for each
// payment and payout on which they differ, at most 100 of each, and for captures of
// holds that are nobody's. It is of use where the sandbox keeps a book from the beginning.
func (s *Service) GatewayAgrees(ctx context.Context) ([]string, error) {
	return s.all(ctx, s.otherwiseCharged, s.otherwisePaid, s.otherCash)
}

func (s *Service) otherwiseCharged(ctx context.Context) ([]string, error) {
	type row struct {
		OrderID           uuid.UUID
		Status            Status
		Amount, Charged   money.Amount
		Held, Taken, Back money.Amount
		Captures, Voids   int
	}
	return sentences(s.db.Read(ctx).Raw(`SELECT * FROM (
		SELECT p.order_id, p.status, p.amount, p.charged,
			COALESCE(SUM(CASE WHEN b.op = 'hold' THEN b.amount END), 0) AS held,
			COALESCE(SUM(CASE WHEN b.op = 'capture' THEN b.amount END), 0) AS taken,
			COALESCE(SUM(CASE WHEN b.op = 'refund' THEN b.amount END), 0) AS back,
			COUNT(CASE WHEN b.op = 'capture' THEN 1 END) AS captures, COUNT(CASE WHEN b.op = 'void' THEN 1 END) AS voids
		FROM payments p LEFT JOIN sandbox_book b ON b.hold = CONCAT('hold:', p.order_id)
		GROUP BY p.order_id, p.status, p.amount, p.charged) AS books
		WHERE captures > 1
		   OR taken <> CASE WHEN status IN ('captured', 'refunding', 'refunded') THEN charged ELSE 0 END
		   OR back <> CASE WHEN status = 'refunded' THEN charged ELSE 0 END
		   OR (status IN ('held', 'captured', 'owed', 'refunding', 'refunded') AND (held <> amount OR voids > 0))
		   OR (status = 'voided' AND voids = 0) OR (status = 'none' AND held > 0 AND voids = 0)
		ORDER BY order_id LIMIT ?`, findingsLimit),
		func(r row) string {
			return fmt.Sprintf("order %s: its payment of %s is %s with %s charged; the gateway has held %s, taken %s in %d captures, given %s back and released %d times",
				r.OrderID, r.Amount, r.Status, r.Charged, r.Held, r.Taken, r.Captures, r.Back, r.Voids)
		})
}

func (s *Service) otherwisePaid(ctx context.Context) ([]string, error) {
	type row struct {
		ID          uuid.UUID
		Share, Sent money.Amount
	}
	return sentences(s.db.Read(ctx).Raw(`SELECT * FROM (
		SELECT s.id, CASE WHEN s.paid_at IS NULL THEN 0 ELSE s.share END AS share, COALESCE(b.amount, 0) AS sent
		FROM settlements s LEFT JOIN sandbox_book b ON b.op = 'payout' AND b.name = CONCAT('payout:', s.id)) AS books
		WHERE share <> sent ORDER BY id LIMIT ?`, findingsLimit),
		func(r row) string {
			return fmt.Sprintf("settlement %s: its driver was paid %s; the gateway has sent %s", r.ID, r.Share, r.Sent)
		})
}

func (s *Service) otherCash(ctx context.Context) ([]string, error) {
	var n struct{ Ours, Theirs money.Amount }
	err := s.db.Read(ctx).Raw(`SELECT
		(SELECT COALESCE(SUM(amount), 0) FROM ledger_entries WHERE account = ?) AS ours,
		(SELECT COALESCE(SUM(CASE op WHEN 'capture' THEN amount WHEN 'refund' THEN -amount WHEN 'payout' THEN -amount ELSE 0 END), 0)
			FROM sandbox_book) AS theirs`, gatewayCash).Scan(&n).Error
	if err != nil || n.Ours == n.Theirs {
		return nil, err
	}
	return []string{fmt.Sprintf("the ledger has %s of cash at the gateway; the gateway has %s for us", n.Ours, n.Theirs)}, nil
}
