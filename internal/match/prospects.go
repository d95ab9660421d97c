package match

// prospect is something that may hold an insertion, and the least that it costs.
type prospect struct {
	least  float64 // as a length
	cell   *cell
	tree   int
	route  *route
	worked bool // the bound is of the whole route, not of one leg
}

// push and pop keep the heap, least first; of the same cost a route comes before
// a cell, so that the search ends sooner.
func (s *searcher) push(p prospect) {
	h := append(s.heap, p)
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !h[i].before(&h[up]) {
			break
		}
		h[i], h[up] = h[up], h[i]
		i = up
	}
	s.heap = h
}

func (s *searcher) pop() prospect {
	h := s.heap
	top, n := h[0], len(h)-1
	h[0] = h[n]
	h[n] = prospect{}
	h = h[:n]
	for i := 0; ; {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < n; c++ {
			if h[c].before(&h[least]) {
				least = c
			}
		}
		if least == i {
			break
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
	s.heap = h
	return top
}

func (p *prospect) before(q *prospect) bool {
	if p.least != q.least {
		return p.least < q.least
	}
	return p.worked && !q.worked
}
