package roads

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
)

// errTooLong says that distances cannot be stored.
var errTooLong = errors.New("a way in it is too long to be measured")

// builder dissects a network into parts and collects the labels of its nodes.
type builder[W weight] struct {
	even    bool // every road is as long both ways
	rows    []row
	out, in [][]W // by node
	ends    [][]W // by node, where the cut of each part ends
	running sync.WaitGroup
}

// alone is how many nodes a part must have to be worth a goroutine.
const alone = 1000

// small is how many nodes a part may have that is not parted any more.
const small = 6

// newLabels builds the index; it fails if a best way is longer than limit, and with the
// error of ctx once that ends.
func newLabels[W weight](ctx context.Context, g graph[W], limit W) (*labels[W], error) {
	n := g.nodes()
	whole := part[W]{nodes: make([]int32, n), links: linksOf(g)}
	for v := range whole.nodes {
		whole.nodes[v] = int32(v)
	}
	b := &builder[W]{even: even(whole.links), rows: make([]row, n), out: make([][]W, n), ends: make([][]W, n)}
	b.in = b.out
	if !b.even {
		b.in = make([][]W, n)
	}
	b.dissect(ctx, whole)
	b.running.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return b.pack(limit)
}

// dissect labels the nodes of a part with its cut and goes on with its halves.
func (b *builder[W]) dissect(ctx context.Context, p part[W]) {
	if ctx.Err() != nil {
		return
	}
	cut, halves := p.cut()
	begin := W(0)
	if len(p.ends) > 0 {
		begin = p.ends[len(p.ends)-1]
	}
	p.ends = append(slices.Clip(p.ends), begin+W(len(cut)))
	search := newSearch(p.links)
	for _, c := range cut {
		b.label(b.out, p, search.to(c))
		if !b.even {
			b.label(b.in, p, search.from(c))
		}
		b.rows[p.nodes[c]].code, b.ends[p.nodes[c]] = p.code, p.ends
	}
	for i, nodes := range halves {
		if len(nodes) == 0 {
			continue
		}
		half := p.half(nodes, i == 1)
		b.bypass(half, p, nodes, len(cut))
		if i == 0 && len(nodes) > alone {
			b.running.Go(func() { b.dissect(ctx, half) })
			continue
		}
		b.dissect(ctx, half)
	}
}

// label appends the ways to or from one node to what is known of the nodes of a part.
func (b *builder[W]) label(ways [][]W, p part[W], found []W) {
	for i, v := range p.nodes {
		ways[v] = append(ways[v], found[i])
	}
}

// bypass adds links to a half for the ways that lead out of it, over the cut, and back
// in, so that all distances in it stay what they are. Nodes are those of the half as
// the whole part numbers them; the cut has so many nodes.
func (b *builder[W]) bypass(half, whole part[W], nodes []int32, cut int) {
	border := whole.border(nodes)
	search := newSearch(half.links)
	inside, best := make([][]W, len(border)), make([][]W, len(border))
	for i, u := range border {
		ways := search.from(u)
		inside[i], best[i] = make([]W, len(border)), make([]W, len(border))
		out := b.out[half.nodes[u]]
		out = out[len(out)-cut:]
		for k, v := range border {
			in := b.in[half.nodes[v]]
			in = in[len(in)-cut:]
			inside[i][k], best[i][k] = ways[v], ways[v]
			for c := range out {
				best[i][k] = min(best[i][k], out[c]+in[c])
			}
		}
	}
	for i, u := range border {
		for k, v := range border {
			if best[i][k] < inside[i][k] && !stepwise(best, i, k) {
				half.join(u, v, best[i][k])
			}
		}
	}
}

// stepwise reports whether the best way from i to k leads over another of the nodes.
func stepwise[W weight](best [][]W, i, k int) bool {
	for m := range best {
		if m != i && m != k && best[i][m]+best[m][k] <= best[i][k] {
			return true
		}
	}
	return false
}

// pack lays the labels of nodes that lie close together close together.
func (b *builder[W]) pack(limit W) (*labels[W], error) {
	order := make([]int32, len(b.rows))
	size := 0
	for v := range order {
		order[v] = int32(v)
		size += len(b.out[v]) + len(b.ends[v]) + 1
	}
	slices.SortFunc(order, func(u, v int32) int {
		return cmp.Or(cmp.Compare(b.rows[u].code, b.rows[v].code), cmp.Compare(u, v))
	})
	l := &labels[W]{rows: b.rows, out: make([]W, 0, size)}
	l.in = l.out
	if !b.even {
		l.in = make([]W, 0, size)
	}
	for _, v := range order {
		l.rows[v].start = len(l.out) + len(b.ends[v]) + 1
		l.out = b.store(l.out, b.out[v], v)
		if !b.even {
			l.in = b.store(l.in, b.in[v], v)
		}
		if tooLong(b.out[v], limit) || tooLong(b.in[v], limit) {
			return nil, errTooLong
		}
	}
	if b.even {
		l.in = l.out
	}
	return l, nil
}

// store appends the ways of a node, and before them, from the last to the first, where
// its cuts end.
func (b *builder[W]) store(into, ways []W, v int32) []W {
	for _, end := range slices.Backward(b.ends[v]) {
		into = append(into, end)
	}
	into = append(into, 0)
	return append(into, ways...)
}

func tooLong[W weight](ways []W, limit W) bool {
	return slices.ContainsFunc(ways, func(w W) bool { return w > limit && w < far[W]() })
}
