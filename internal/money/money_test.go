package money

import "testing"

func TestString(t *testing.T) {
	for amount, want := range map[Amount]string{
		0: "0.00 CNY", 1: "0.01 CNY", 10: "0.10 CNY", 99: "0.99 CNY", 100: "1.00 CNY", 1230: "12.30 CNY",
		-1: "-0.01 CNY", -99: "-0.99 CNY", -1230: "-12.30 CNY", 123_456_789: "1234567.89 CNY",
	} {
		if got := amount.String(); got != want {
			t.Errorf("%d fen: %q, want %q", int64(amount), got, want)
		}
	}
}
