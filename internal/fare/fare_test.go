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

func TestCancelFee(t *testing.T) {
	matched := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	pickup := matched.Add(2 * time.Hour)
	p := Price{Solo: 1005, Pooled: 804}
	for _, c := range []struct {
		at   time.Time
		want money.Amount
	}{
		{matched, 0}, {matched.Add(3 * time.Minute), 0},
		{matched.Add(3*time.Minute + 1), 101}, // 100.5
		{pickup.Add(-60 * time.Minute), 101}, {pickup.Add(-60*time.Minute + 1), 201},
		{pickup.Add(-30 * time.Minute), 201}, {pickup.Add(-30*time.Minute + 1), 302},
		{pickup.Add(-15 * time.Minute), 302}, {pickup.Add(-15*time.Minute + 1), 503},
		{pickup.Add(-5 * time.Minute), 503}, {pickup.Add(-5*time.Minute + 1), 804},
		{pickup.Add(10 * time.Minute), 804}, {pickup.Add(10*time.Minute + 1), 0},
	} {
		if got := p.CancelFee(matched, pickup, c.at); got != c.want {
			t.Errorf("%s after the match: %d fen, want %d", c.at.Sub(matched), got, c.want)
		}
	}
	if got := p.CancelFee(matched, matched.Add(time.Minute), matched.Add(2*time.Minute)); got != 0 {
		t.Errorf("a pickup within the free minutes: %d", got)
	}
	if got := p.NoShow(); got != p.Solo {
		t.Errorf("a no-show pays %d", got)
	}
}

// A later cancel never costs less, until the driver is late; and never more than the hold.
func TestCancelFeeGrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		matched := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
		pickup := matched.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "pickup")) * time.Minute)
		until := int(pickup.Add(10*time.Minute).Sub(matched) / time.Second)
		first, second := rapid.IntRange(0, until).Draw(t, "first"), rapid.IntRange(0, until).Draw(t, "second")
		p := Price{Solo: money.Amount(rapid.IntRange(1, 1_000_000).Draw(t, "solo"))}
		at := func(seconds int) money.Amount {
			return p.CancelFee(matched, pickup, matched.Add(time.Duration(seconds)*time.Second))
		}
		if a, b := at(min(first, second)), at(max(first, second)); a > b || b > p.Solo {
			t.Errorf("%d fen, then %d, of %d", a, b, p.Solo)
		}
	})
}

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		total      money.Amount
		percent    int
		share, fee money.Amount
	}{
		{1000, 20, 800, 200}, {0, 20, 0, 0}, {1, 20, 1, 0}, {3, 20, 2, 1}, // 0.6 is the larger remainder
		{1, 50, 1, 0}, {3, 50, 2, 1}, // equal: the driver's
		{1, 51, 0, 1}, {7, 0, 7, 0}, {7, 100, 0, 7},
	} {
		if share, fee := Split(c.total, c.percent); share != c.share || fee != c.fee {
			t.Errorf("%d fen at %d %%: %d and %d, want %d and %d", c.total, c.percent, share, fee, c.share, c.fee)
		}
	}
}

// The parts add up, and each is within a fen of what is exact.
func TestSplitAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total, percent := rapid.Int64Range(0, 1<<40).Draw(t, "total"), rapid.IntRange(0, 100).Draw(t, "percent")
		share, fee := Split(money.Amount(total), percent)
		off := 100*int64(fee) - total*int64(percent)
		if int64(share)+int64(fee) != total || share < 0 || fee < 0 || off > 49 || off < -50 {
			t.Errorf("%d fen at %d %%: %d and %d", total, percent, share, fee)
		}
	})
}

// The tables stand in the documents, in both languages, as they are here.
func TestDocuments(t *testing.T) {
	var rows []string
	for _, part := range tariff {
		rows = append(rows, fmt.Sprintf("| `%s` | %d | %d |", part.of, part.fen, part.per))
	}
	rows = append(rows, fmt.Sprintf("%d %%", pooledPercent))
	for _, share := range cancelShares {
		rows = append(rows, fmt.Sprintf("| %d min | %d %% |", share.left/time.Minute, share.percent))
	}
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
