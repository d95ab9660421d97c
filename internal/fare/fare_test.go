package fare

import (
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/spotpool/spotpool/internal/money"
)

func TestOf(t *testing.T) {
	for _, c := range []struct {
		metres       int
		d            time.Duration
		seats        int
		solo, pooled money.Amount
	}{
		{0, 0, 1, 600, 480},
		{1000, time.Minute, 1, 790, 632},
		{1000, time.Minute, 3, 2370, 1896},
		{12_345, 21 * time.Minute, 1, 3205, 2564}, // 3205.2, 2564.16
		{0, time.Second, 1, 601, 480},             // 600.5 is rounded up; 480.4 of the exact sum, not of 601
		{3, time.Second, 1, 601, 481},             // 600.98, 480.784
		{0, time.Second, 4, 2404, 1920},           // a seat is rounded, not the sum
		{300_000, 8 * time.Hour, 8, 504_000, 403_200},
	} {
		if got, want := Of(c.metres, c.d, c.seats), (Price{c.solo, c.pooled}); got != want {
			t.Errorf("%d m in %s for %d: %+v, want %+v", c.metres, c.d, c.seats, got, want)
		}
	}
}

// The formula of docs/fares.md in exact fractions.
func TestOfIsTheFormula(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		metres, seconds := rapid.IntRange(0, 300_000).Draw(t, "metres"), rapid.IntRange(0, 40_000).Draw(t, "seconds")
		seats := rapid.IntRange(1, 8).Draw(t, "seats")
		exact := new(big.Rat).Add(big.NewRat(600, 1), big.NewRat(160*int64(metres), 1000))
		exact.Add(exact, big.NewRat(30*int64(seconds), 60))
		got := Of(metres, time.Duration(seconds)*time.Second, seats)
		for share, amount := range map[*big.Rat]money.Amount{big.NewRat(1, 1): got.Solo, big.NewRat(8, 10): got.Pooled} {
			seat := big.NewRat(int64(amount)/int64(seats), 1)
			off := seat.Sub(seat, share.Mul(share, exact)) // within (-1/2, 1/2]
			if off.Cmp(big.NewRat(1, 2)) > 0 || off.Cmp(big.NewRat(-1, 2)) <= 0 || int64(amount)%int64(seats) != 0 {
				t.Errorf("%d m, %d s, %d seats: %+v", metres, seconds, seats, got)
			}
		}
	})
}

func TestDue(t *testing.T) {
	p := Price{Solo: 1000, Pooled: 800}
	if alone, shared := p.Due(false), p.Due(true); alone != 1000 || shared != 800 {
		t.Errorf("alone %s, shared %s", alone, shared)
	}
}

// The tables stand in the documents, in both languages, as they are here.
func TestDocuments(t *testing.T) {
	var rows []string
	for _, part := range tariff {
		rows = append(rows, fmt.Sprintf("| `%s` | %d | %d |", part.of, part.fen, part.per))
	}
	rows = append(rows, fmt.Sprintf("%d %%", pooledPercent))
	for _, name := range []string{"fares.md", "fares.zh-CN.md"} {
		text, err := os.ReadFile("../../docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			if !strings.Contains(string(text), row) {
				t.Errorf("%s lacks %q", name, row)
			}
		}
	}
}
