package match

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// leastSum tries every assignment of the rows from i on.
func leastSum(rows [][]option, alone []time.Duration, taken map[int]bool, i int) time.Duration {
	if i == len(rows) {
		return 0
	}
	best := alone[i] + leastSum(rows, alone, taken, i+1)
	for _, o := range rows[i] {
		if !taken[o.column] {
			taken[o.column] = true
			best = min(best, o.cost+leastSum(rows, alone, taken, i+1))
			delete(taken, o.column)
		}
	}
	return best
}

func TestCheapestAgreesWithBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		columns := rapid.IntRange(1, 6).Draw(t, "columns")
		cost := rapid.Map(rapid.IntRange(0, 30), func(n int) time.Duration { return time.Duration(n) })
		var rows [][]option
		var alone []time.Duration
		for range rapid.IntRange(1, 6).Draw(t, "rows") {
			var row []option
			for c := range columns {
				if rapid.Bool().Draw(t, "may") {
					row = append(row, option{c, cost.Draw(t, "cost")})
				}
			}
			rows, alone = append(rows, row), append(alone, cost.Draw(t, "alone"))
		}
		var sum time.Duration
		taken := map[int]bool{}
		for i, k := range cheapest(rows, alone, columns) {
			if k < 0 {
				sum += alone[i]
				continue
			}
			if o := rows[i][k]; taken[o.column] {
				t.Fatalf("column %d was assigned twice", o.column)
			} else {
				taken[o.column] = true
				sum += o.cost
			}
		}
		if want := leastSum(rows, alone, map[int]bool{}, 0); sum != want {
			t.Fatalf("sum %d, want %d", sum, want)
		}
	})
}
