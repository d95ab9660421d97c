package match

import "time"

// option is a column that a row may have, and what it costs.
type option struct {
	column int
	cost   time.Duration
}

// cheapest assigns columns to rows, each column to one row at most, and returns for
// each row which of its options it got, or -1 for none, which costs what alone
// says. The sum of the costs is least.
//
// It adds one row after the other along a shortest augmenting path with Dijkstra's
// algorithm on reduced costs: the Hungarian method as in Jonker and Volgenant, "A
// shortest augmenting path algorithm for dense and sparse linear assignment
// problems", Computing 38, 1987. Only the columns that rows name are looked at.
func cheapest(rows [][]option, alone []time.Duration, columns int) []int {
	a := assignment{
		rows: rows, alone: alone,
		got: make([]int, len(rows)), owner: make([]int, columns+len(rows)), price: make([]time.Duration, columns+len(rows)),
		dist: make([]time.Duration, columns+len(rows)), from: make([]int, columns+len(rows)), state: make([]int, columns+len(rows)),
		columns: columns,
	}
	for c := range a.owner {
		a.owner[c] = -1
	}
	for i := range rows {
		a.augment(i)
	}
	result := make([]int, len(rows))
	for i := range result {
		result[i] = a.got[i]
		if result[i] == len(rows[i]) {
			result[i] = -1
		}
	}
	return result
}

// assignment is a call of cheapest under way. Every row has one more column of its own,
// for staying alone. Prices are the columns' duals: in a shortest path, a row's own
// dual cancels out.
type assignment struct {
	rows    [][]option
	alone   []time.Duration
	columns int
	got     []int // by row: which option
	owner   []int // by column: which row, or -1
	price   []time.Duration

	dist  []time.Duration // by column: of the shortest path to it
	from  []int           // by column: the row before it on that path
	state []int           // by column: the round it was reached in, negative when it is done
	round int
	queue []option // a heap of columns by distance
}

// option returns the k-th option of a row; the last one is staying alone.
func (a *assignment) option(row, k int) option {
	if k < len(a.rows[row]) {
		return a.rows[row][k]
	}
	return option{a.columns + row, a.alone[row]}
}

// augment gives the row a column, and moves others on along the shortest path.
func (a *assignment) augment(row int) {
	a.round++
	a.queue = a.queue[:0]
	var done []int
	here, base := row, time.Duration(0)
	for {
		a.relax(here, base)
		c := a.nearest()
		base = a.dist[c]
		if a.owner[c] < 0 {
			for _, d := range done {
				a.price[d] -= base - a.dist[d]
			}
			a.shift(c, row)
			return
		}
		done = append(done, c)
		here = a.owner[c]
		base -= a.reduced(here, a.got[here])
	}
}

// reduced is the cost of a row's option less the price of its column.
func (a *assignment) reduced(row, k int) time.Duration {
	o := a.option(row, k)
	return o.cost - a.price[o.column]
}

// relax reaches out from a row that the path comes to at a distance.
func (a *assignment) relax(row int, base time.Duration) {
	for k := range len(a.rows[row]) + 1 {
		o := a.option(row, k)
		d := base + o.cost - a.price[o.column]
		switch {
		case a.state[o.column] == -a.round:
			continue
		case a.state[o.column] == a.round && d >= a.dist[o.column]:
			continue
		}
		a.state[o.column], a.dist[o.column], a.from[o.column] = a.round, d, row
		a.push(option{o.column, d})
	}
}

// nearest takes the column with the shortest path.
func (a *assignment) nearest() int {
	for {
		o := a.pop()
		if a.state[o.column] == a.round {
			a.state[o.column] = -a.round
			return o.column
		}
	}
}

// shift gives the column to the row before it on the path, and so on back to the
// row that was added.
func (a *assignment) shift(column, added int) {
	for {
		row := a.from[column]
		a.owner[column] = row
		k := 0
		for a.option(row, k).column != column {
			k++
		}
		before := a.got[row]
		a.got[row] = k
		if row == added {
			return
		}
		column = a.option(row, before).column
	}
}

func (a *assignment) push(o option) {
	a.queue = append(a.queue, o)
	for i := len(a.queue) - 1; i > 0; {
		up := (i - 1) / 2
		if a.queue[up].cost <= a.queue[i].cost {
			break
		}
		a.queue[up], a.queue[i] = a.queue[i], a.queue[up]
		i = up
	}
}

func (a *assignment) pop() option {
	q := a.queue
	top, n := q[0], len(q)-1
	q[0] = q[n]
	for i := 0; ; {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < n; c++ {
			if q[c].cost < q[least].cost {
				least = c
			}
		}
		if least == i {
			break
		}
		q[i], q[least] = q[least], q[i]
		i = least
	}
	a.queue = q[:n]
	return top
}
