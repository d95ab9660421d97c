package pay

import (
	"strings"
	"testing"

	"github.com/spotpool/spotpool/internal/db"
)

// Each case damages the books of two orders, one held and one voided, in its own way.
func TestAuditFinds(t *testing.T) {
	tests := []struct {
		name   string
		damage string // ? is the held order's id
		ledger string // found by LedgerBalances and LedgerAgrees; empty: nothing
		double string // found by DoubleHolds
	}{
		{"a changed line", `UPDATE ledger_entries SET amount = 1 WHERE account = 'gateway:holds' AND posting = CONCAT('hold:', ?)`, "sums to", ""},
		{"a hold that was not posted", `DELETE FROM ledger_entries WHERE posting = CONCAT('hold:', ?)`, "a hold of 0.00", ""},
		{"a status that went back", `UPDATE payments SET status = 'none' WHERE order_id = ?`, "is none", ""},
		{"a void that was not posted", `UPDATE payments SET status = 'voided' WHERE order_id = ?`, "its end of 0.00", ""},
		{"a posting of nobody", `INSERT INTO ledger_entries SELECT 'hold:nobody', account, amount, created_at FROM ledger_entries WHERE posting = CONCAT('hold:', ?)`, "4 postings where payments and settlements account for 3", ""},
		{"a payment that is gone", `DELETE FROM payments WHERE order_id = ?`, "3 postings where payments and settlements account for 2", ""},
		{"a third line", `INSERT INTO ledger_entries SELECT posting, 'rider:2', 0, created_at FROM ledger_entries WHERE posting = CONCAT('hold:', ?) AND amount > 0`, "", "more than two lines"},
		{"a hold claimed twice", `UPDATE payments SET hold_ref = 'ref' WHERE order_id <> ?`, "", "more than one order"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newService(t)
			held, voided := open(t, s, 300), open(t, s, 400)
			p, err := s.Of(t.Context(), held, voided)
			if err != nil {
				t.Fatal(err)
			}
			inTx(t, s.db, func(tx *db.Tx) error { return s.held(tx, p[held], "ref") })
			inTx(t, s.db, func(tx *db.Tx) error { return s.held(tx, p[voided], "other ref") })
			back, err := s.get(t.Context(), voided)
			if err != nil {
				t.Fatal(err)
			}
			inTx(t, s.db, func(tx *db.Tx) error { return s.voided(tx, back) })
			wantClean(t, s)

			inTx(t, s.db, func(tx *db.Tx) error { return tx.Exec(tt.damage, held).Error })

			ledger, err := s.all(t.Context(), s.LedgerBalances, s.LedgerAgrees)
			wantFinding(t, "LedgerAgrees", ledger, err, tt.ledger)
			double, err := s.DoubleHolds(t.Context())
			wantFinding(t, "DoubleHolds", double, err, tt.double)
		})
	}
}

func wantFinding(t *testing.T, rule string, found []string, err error, want string) {
	t.Helper()
	all := strings.Join(found, "\n")
	if err != nil || (want == "") != (all == "") || !strings.Contains(all, want) {
		t.Errorf("%s found %q, %v; want %q", rule, all, err, want)
	}
}
