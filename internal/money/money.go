// Package money holds amounts as integer minor units of one currency.
package money

import "fmt"

// Currency is the ISO 4217 code every fare is in.
const Currency = "CNY"

// Amount is a sum in minor units; for CNY 1 is one fen.
type Amount int64

// String returns the amount in major units, "12.30 CNY".
func (a Amount) String() string {
	sign := ""
	if a < 0 {
		sign, a = "-", -a
	}
	return fmt.Sprintf("%s%d.%02d %s", sign, a/100, a%100, Currency)
}
