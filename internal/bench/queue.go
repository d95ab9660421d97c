package bench

// queue is a heap of cars, the one that is due first on top, equals by id.
type queue []*car

func (q queue) Len() int { return len(q) }

func (q queue) Less(i, j int) bool {
	if q[i].due == q[j].due {
		return q[i].ID < q[j].ID
	}
	return q[i].due < q[j].due
}

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

// Push implements heap.Interface.
func (q *queue) Push(x any) {
	c := x.(*car)
	c.place = len(*q)
	*q = append(*q, c)
}

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	old := *q
	c := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	c.place = -1
	return c
}
