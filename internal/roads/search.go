package roads

// search finds the best ways between one node of a part and all others (Dijkstra).
type search[W weight] struct {
	links [][]link[W]
	best  []W
	queue queue[W]
}

func newSearch[W weight](links [][]link[W]) *search[W] {
	return &search[W]{links: links, best: make([]W, len(links))}
}

// from returns the ways from v to every node, far where there is none. They are valid
// until the next call.
func (s *search[W]) from(v int32) []W {
	return s.run(v, func(l *link[W]) W { return l.out })
}

// to returns the ways from every node to v.
func (s *search[W]) to(v int32) []W {
	return s.run(v, func(l *link[W]) W { return l.in })
}

func (s *search[W]) run(from int32, length func(*link[W]) W) []W {
	for v := range s.best {
		s.best[v] = far[W]()
	}
	s.best[from] = 0
	s.queue = append(s.queue[:0], reached[W]{0, from})
	for len(s.queue) > 0 {
		at := s.queue.pop()
		if at.w > s.best[at.node] {
			continue
		}
		links := s.links[at.node]
		for i := range links {
			if w := at.w + length(&links[i]); w < s.best[links[i].to] {
				s.best[links[i].to] = w
				s.queue.push(reached[W]{w, links[i].to})
			}
		}
	}
	return s.best
}

// reached is a node and how far it is.
type reached[W weight] struct {
	w    W
	node int32
}

// queue is a heap, the nearest node first. container/heap would allocate for each.
type queue[W weight] []reached[W]

func (q *queue[W]) push(r reached[W]) {
	*q = append(*q, r)
	h := *q
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 2
		if h[up].w <= r.w {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = r
}

func (q *queue[W]) pop() reached[W] {
	h := *q
	first, last := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	*q = h
	i := 0
	for {
		down := 2*i + 1
		if down >= len(h) {
			break
		}
		if down+1 < len(h) && h[down+1].w < h[down].w {
			down++
		}
		if last.w <= h[down].w {
			break
		}
		h[i] = h[down]
		i = down
	}
	if len(h) > 0 {
		h[i] = last
	}
	return first
}
